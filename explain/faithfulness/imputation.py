"""What a hole in a picture is filled with so that it does not stand out: what its edges smoothly lead to, and noise.

Each missing pixel is the weighted mean of its eight neighbours, 1/6 for those beside it and 1/12 for those across a
corner (Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022, arXiv
2202.00449, section 4.2, "noisy linear imputation"). With grey or blur, the shape of the hole itself can tell the class.

The paper solves one sparse system for each picture. Here it is solved by multigrid (Briggs, Henson and McCormick, "A
Multigrid Tutorial", 2000, chapter 3): what is wrong over long distances is mended on pictures of half the size, and of
half that size, where a few steps reach far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

NOISE = 0.01
"""Spread of the noise, in units of the model's input."""

_SMALLEST = 8  # pixels of a side, below which no smaller picture is made
_SWEEPS, _LAST_SWEEPS = 2, 24  # of damped steps before and after going coarser, and on the smallest picture
_DAMPING = np.float32(0.8)
_MOST_CYCLES = 60
_TOLERANCE = 1e-3  # of the root mean square of the picture, that pixels may be from their neighbours' mean
_BESIDE = np.array([1, 2, 1], dtype=np.float32)


def fill_hole(picture: np.ndarray, hole: np.ndarray, tolerance: float = _TOLERANCE) -> np.ndarray:
    """A picture with a hole filled, without the noise. With nothing but hole it is 0, the model's grey.

    Args:
        picture: `(H, W, C)` float32.
        hole: `(H, W)` bool, True where a pixel is missing.
        tolerance: how exactly it is solved, as a share of the picture's root mean square.

    Returns:
        `(H, W, C)` float32.
    """
    if hole.all():
        return np.zeros_like(picture)
    grids = _list_grids(hole.astype(np.float32))
    given = np.where(hole[..., None], np.float32(0), picture)
    wanted = grids[0].missing * _gather(given)
    found = np.zeros_like(given)
    bound = tolerance * float(np.sqrt((picture**2).mean()))
    for _ in range(_MOST_CYCLES):
        if np.abs(grids[0].miss(found, wanted)).max() <= bound:
            break
        found = _cycle(grids, found, wanted)
    return np.where(hole[..., None], found, picture)


def draw_noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """What is added in holes, in the shape of the picture: the same at a place in every hole."""
    return NOISE * np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class _Grid:
    """The pixels of one size.

    Attributes:
        missing: 1 where a pixel is missing, 0 elsewhere, `(h, w, 1)`.
        beside: the weights of a pixel's neighbours together, `(h, w, 1)`: less than 1 at the edges.
    """

    missing: np.ndarray
    beside: np.ndarray

    def miss(self, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """How far the missing pixels are from what is wanted of them, `(h, w, C)`."""
        missed: np.ndarray = wanted - self.missing * (self.beside * values - _gather(values))
        return missed

    def smooth(self, values: np.ndarray, wanted: np.ndarray, sweeps: int) -> np.ndarray:
        """Some damped steps towards it (Jacobi's)."""
        for _ in range(sweeps):
            values = values + _DAMPING * self.miss(values, wanted) / self.beside
        return values


def _gather(values: np.ndarray) -> np.ndarray:
    """The weighted sum of the neighbours of each pixel; beyond the edge there are none."""
    summed = cv2.sepFilter2D(values, -1, _BESIDE, _BESIDE, borderType=cv2.BORDER_CONSTANT).reshape(values.shape)
    gathered: np.ndarray = (summed - 4 * values) / np.float32(12)
    return gathered


def _list_grids(missing: np.ndarray) -> list[_Grid]:
    """The picture's grid, and those of half the size, and so on. A coarse pixel is missing if all of it is."""
    grids = []
    while True:
        grids.append(_Grid(missing[..., None], _gather(np.ones_like(missing))[..., None]))
        height, width = missing.shape
        if min(height, width) <= _SMALLEST:
            return grids
        missing = (_halve(missing) > 1 - 1e-4).astype(np.float32)


def _halve(values: np.ndarray) -> np.ndarray:
    height, width = values.shape[:2]
    half = cv2.resize(values, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
    return half.reshape(*half.shape[:2], *values.shape[2:])


def _cycle(grids: Sequence[_Grid], values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """One way down to the smallest picture and back."""
    grid, coarser = grids[0], grids[1:]
    if not coarser:
        return grid.smooth(values, wanted, _LAST_SWEEPS)
    values = grid.smooth(values, wanted, _SWEEPS)
    # Four times: twice the distance between pixels, and differences go with its square.
    missed = grid.miss(values, wanted)
    rest = 4 * coarser[0].missing * _halve(missed)
    mended = _cycle(coarser, np.zeros_like(rest), rest)
    height, width = values.shape[:2]
    drawn_out = cv2.resize(mended, (width, height), interpolation=cv2.INTER_LINEAR).reshape(values.shape)
    return grid.smooth(_step(grid, values, grid.missing * drawn_out, wanted, missed), wanted, _SWEEPS)


def _step(grid: _Grid, values: np.ndarray, step: np.ndarray, wanted: np.ndarray, missed: np.ndarray) -> np.ndarray:
    """As far along a step as mends most, channel by channel: the length at which a quadratic form has its least value
    (the steepest descent's), here that of the equations, which are symmetric.

    The whole step may go too far: where a hole ends between the same pixels on every size, as holes of whole cells do
    in pictures of 64 or 128 pixels, its edge is further from a coarse pixel than from a fine one, and what is wrong
    would grow from cycle to cycle.
    """
    mends = missed - grid.miss(values + step, wanted)
    along, across = (step * missed).sum((0, 1)), (step * mends).sum((0, 1))
    length = np.divide(along, across, out=np.zeros_like(along), where=across > 0)
    stepped: np.ndarray = values + length * step
    return stepped
