"""Changed versions of a picture that measures ask for: parts of it hidden, step by step or as a map says.

A change is named by the digest of what it hides, so that two maps, two orders or two measures that ask for the same
one share its pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from explain.faithfulness.bank import hide
from explain.faithfulness.imputation import draw_noise, fill_hole
from explain.methods.occlusion import make_baseline

if TYPE_CHECKING:
    from torch import Tensor

ChangeFill = Literal["grey", "blur", "harmonic"]
"""What stands in for what is hidden: as in `Fill`, or what the edges of the hole smoothly lead to."""

STEPS = 8
"""Of a curve: as many parts, as equal as cells allow, are hidden one after another."""

WHOLE = "whole"
"""The key of the picture with nothing hidden."""

First = Literal["most", "least"]
"""Which cells are hidden first: those the map marks most, or least."""


@dataclass(frozen=True, eq=False)
class Changes:
    """Some changed versions of a picture.

    Attributes:
        fill: what stands in for what is hidden.
        hidden: how much of each cell is hidden, `(n, h, w)` float32, of a volume `(n, d, h, w)`, 0…1, on any grid over
            the whole input.
        shares: how much of what may be hidden is, `(n,)`, 0…1.
    """

    fill: ChangeFill
    hidden: np.ndarray
    shares: np.ndarray

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """A digest for each; the same for the picture with nothing hidden, whatever would stand in."""
        return tuple(_name(self.fill, one) for one in self.hidden)

    def take(self, numbers: Sequence[int]) -> Changes:
        """Some of them."""
        at = list(numbers)
        return Changes(self.fill, self.hidden[at], self.shares[at])


def _name(fill: ChangeFill, hidden: np.ndarray) -> str:
    if not hidden.any():
        return WHOLE
    return hashlib.sha256(f"{fill} {hidden.shape} ".encode() + hidden.tobytes()).hexdigest()


def order_cells(cells: np.ndarray, allowed: np.ndarray, seed: int) -> np.ndarray:
    """The numbers of the cells that may be hidden, the highest first. Equal ones are in an order drawn by the seed, the
    same for every map.

    Args:
        cells: a map, `(h, w)`.
        allowed: the cells that may be hidden, in the same shape.
        seed: of the picture.
    """
    lot = np.random.default_rng(seed).permutation(cells.size)
    ordered = np.lexsort((lot, -cells.ravel()))
    chosen: np.ndarray = ordered[allowed.ravel()[ordered]]
    return chosen


def hide_shares(
    cells: np.ndarray,
    allowed: np.ndarray,
    seed: int,
    fill: ChangeFill,
    first: First,
    shares: Sequence[float] | np.ndarray,
) -> Changes:
    """The picture with shares of it hidden, counted by rank: as many cells as come nearest to each share.

    Args:
        cells: the map, `(h, w)`.
        allowed: the cells that may be hidden.
        seed: breaks ties.
        fill: what stands in.
        first: which cells go first.
        shares: how much is hidden, 0…1.
    """
    ordered = order_cells(cells, allowed, seed)
    if first == "least":
        ordered = ordered[::-1]
    counts = np.floor(np.asarray(shares) * len(ordered) + 0.5).astype(int)
    hidden = np.zeros((len(counts), cells.size), dtype=np.float32)
    for row, count in zip(hidden, counts, strict=True):
        row[ordered[:count]] = 1
    return Changes(fill, hidden.reshape(-1, *cells.shape), counts / max(len(ordered), 1))


def hide_in_steps(
    cells: np.ndarray, allowed: np.ndarray, seed: int, fill: ChangeFill, first: First, steps: int = STEPS
) -> Changes:
    """The picture as it is hidden step by step, both ends included: `steps + 1` versions; see `hide_shares`."""
    return hide_shares(cells, allowed, seed, fill, first, np.arange(steps + 1) / steps)


def leave(cells: np.ndarray) -> Changes:
    """The picture as it is, on the grid of a map."""
    return Changes("grey", np.zeros((1, *cells.shape), dtype=np.float32), np.zeros(1))


def show_as_marked(shown: np.ndarray) -> Changes:
    """The picture as bright as a map is, on grey; and after it the picture as it is.

    Args:
        shown: the map `(h, w)`, 0…1.
    """
    hidden = np.stack([1 - shown, np.zeros_like(shown)]).astype(np.float32)
    return Changes("grey", hidden, hidden.reshape(2, -1).mean(1))


def apply(picture: Tensor, changes: Changes, seed: int) -> Tensor:
    """The changed versions, `(n, C, H, W)`, or `(n, C, D, H, W)` of a volume, which has no harmonic fill.

    Cells have soft edges, as in the bank of masks; only the harmonic fill, which the edges of the hole decide, has hard
    ones.

    Args:
        picture: the model's input, `(1, C, H, W)` or `(1, C, D, H, W)`.
        changes: what to hide.
        seed: of the harmonic fill's noise.
    """
    import torch

    cells = torch.from_numpy(changes.hidden).to(picture)
    if changes.fill != "harmonic":
        return hide(picture, make_baseline(picture, changes.fill), cells)
    whole = np.ascontiguousarray(picture[0].cpu().float().permute(1, 2, 0).numpy())
    noise = draw_noise(whole.shape, seed)
    height, width = whole.shape[:2]
    filled = []
    for one in changes.hidden:
        hole = cv2.resize(one, (width, height), interpolation=cv2.INTER_NEAREST_EXACT) > 0.5
        filled.append(fill_hole(whole, hole) + noise * hole[..., None])
    return torch.from_numpy(np.stack(filled)).permute(0, 3, 1, 2).to(picture)
