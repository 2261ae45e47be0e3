"""What a bundled model learns from another: its scores, and the loss that asks for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from explain.bundled.making.examples import PictureSource


def distil(scores: torch.Tensor, teacher_scores: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Cross-entropy with the label, 0.3, and with the teacher's softened answer, 0.7 (Hinton et al. 2015, T = 2)."""
    temperature = 2.0
    soft = functional.kl_div(
        functional.log_softmax(scores / temperature, 1),
        functional.softmax(teacher_scores / temperature, 1),
        reduction="batchmean",
    )
    return 0.3 * functional.cross_entropy(scores, classes) + 0.7 * temperature**2 * soft


def score_both_ways(
    teacher: nn.Module, source: PictureSource, pictures: torch.Tensor, kept: Path, say: Callable[[str], None]
) -> torch.Tensor:
    """The teacher's scores for every picture as it is and for its mirror image, computed once, in float16.

    A view that is shifted by a few pixels, or has a hole, is taught by the answer to the whole picture.

    Args:
        teacher: in evaluation mode.
        source: how pictures are given to it.
        pictures: `(N, 3, S, S)` uint8.
        kept: the file in which scores are kept, and from which they are read if it is there.
        say: takes a sentence when they are computed.

    Returns:
        `(2, N, C)`.
    """
    if kept.exists():
        scores: torch.Tensor = torch.load(kept, weights_only=True)
        return scores
    say(f"The teacher answers once for {len(pictures):,} pictures and their mirror images.")
    ways = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for way in (pictures, pictures.flip(-1)):
            views = (source.view(some).contiguous(memory_format=torch.channels_last) for some in way.split(250))
            ways.append(torch.cat([teacher(view).float() for view in views]))
    scores = torch.stack(ways).half()
    save_whole(kept, scores)
    return scores


def save_whole(path: Path, state: object) -> None:
    """Write beside and rename, so that a killed run never leaves half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)
