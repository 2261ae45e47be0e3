"""So many pictures of a large folder of two splits, whichever classes they are in: what attention is trained on."""

from __future__ import annotations

import hashlib
from pathlib import Path

from explain.datasets.dataset import DataSet, Example, Split
from explain.datasets.reading import TOGETHER

PICTURES = 2_000
"""That the attention that ships learned from, those that chose its epoch included."""


def choose_pictures(data: Path, learning: int, judging: int) -> DataSet:
    """The first pictures of each split by digest: as good as a draw, and the same wherever it is made.

    Args:
        data: JPEG files in folders of classes, in `train/` and `test/`.
        learning: how many of `train/`.
        judging: how many of `test/`.
    """
    chosen: list[Example] = []
    splits: tuple[tuple[Split, str, int], ...] = (("train", "train", learning), ("val", "test", judging))
    for split, folder, count in splits:
        found = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in (data / folder).glob("*/*.jpg")}
        chosen += [
            Example(found[digest].name, digest, 0, split, found[digest].read_bytes) for digest in sorted(found)[:count]
        ]
    return DataSet((TOGETHER,), tuple(chosen), divided=True)
