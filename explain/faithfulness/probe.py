"""The coarse grid on which maps are tested: maps laid on its cells, and masks that hide half of them. Of a volume the
grid has three axes, and its cells are blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import cv2
import numpy as np

from explain.maps.render import place
from explain.pictures.geometry import Box, Span

CELLS = 8
"""Of the grid along each axis of the model's input. A finer map is averaged, a coarser one drawn out."""

_PER_CELL = 8  # places in a cell, along each side, at which a map is read
_BLOBS = 4  # rows and columns of the noise that masks are made of


def lay_on_cells(values: np.ndarray) -> np.ndarray:
    """What a map says for the class, averaged over the cells of the grid.

    It is drawn out as on the page (linearly along each axis), because that is what a person looks at.

    Args:
        values: `(h, w)` over the whole input, or `(d, h, w)`, signed; what is below zero counts as nothing.

    Returns:
        `(CELLS, CELLS)` float64, or with a third axis, at least 0. All 0 for a map with a value that is no number, of
        which nothing is shown.
    """
    positive = np.maximum(values, 0).astype(np.float32)
    if not np.isfinite(values).all():
        return np.zeros((CELLS,) * values.ndim)
    side = CELLS * _PER_CELL
    if values.ndim == 3:
        return _change_axes(positive.astype(np.float64), [_average(count, side) for count in values.shape])
    if max(values.shape) > side:
        positive = cv2.resize(positive, (side, side), interpolation=cv2.INTER_AREA)
    fine = place(positive, Box.whole((side, side)), (side, side)).astype(np.float64)
    return fine.reshape(CELLS, _PER_CELL, CELLS, _PER_CELL).mean((1, 3))


def _average(count: int, side: int) -> np.ndarray:
    """From `count` cells of a map along an axis to those of the grid, by way of `side` places, `(CELLS, count)`."""
    way = cv2.INTER_AREA if count > side else cv2.INTER_LINEAR
    drawn = cv2.resize(np.eye(count), (count, side), interpolation=way)
    return np.asarray(drawn.reshape(CELLS, -1, count).mean(1))


def _change_axes(values: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """The last axes of an array, each multiplied by the matrix `(to, from)` for it."""
    for axis, matrix in enumerate(matrices, start=values.ndim - len(matrices)):
        values = np.moveaxis(np.moveaxis(values, axis, -1) @ matrix.T, -1, axis)
    return np.ascontiguousarray(values)


def find_shown(values: np.ndarray) -> np.ndarray:
    """What is seen of a map, `(h, w)` or `(d, h, w)` float32, 0…1; nothing of one that is blank or not finite."""
    positive = np.maximum(values, 0)
    highest = positive.max()
    shown = positive / highest if np.isfinite(values).all() and highest > 0 else np.zeros_like(positive)
    return shown.astype(np.float32)


def draw_masks(seed: int, count: int, allowed: np.ndarray | None = None) -> np.ndarray:
    """Masks that each hide half of the cells, in smooth blobs: noise on a coarse grid, drawn out and cut at its median.

    Args:
        seed: the same seed gives the same masks, and those of a lower count are the first of a higher.
        count: how many.
        allowed: the cells that may be hidden, `(CELLS, CELLS)` bool, or with a third axis for masks of a volume; all of
            a picture's where left out.

    Returns:
        `(count, CELLS, CELLS)` bool, or with a third axis, True where a cell is hidden.
    """
    if allowed is None:
        allowed = np.ones((CELLS, CELLS), dtype=bool)
    noise = np.random.default_rng(seed).standard_normal((count, *(_BLOBS,) * allowed.ndim))
    drawn = draw_out(noise)
    medians = np.median(drawn[:, allowed], axis=1)
    masks: np.ndarray = (drawn > medians.reshape(-1, *[1] * allowed.ndim)) & allowed
    return masks


def draw_out(noise: np.ndarray) -> np.ndarray:
    """Noise on a coarse grid `(n, b, b)`, or with a third axis, as smooth as cubic splines make it on that of the
    tests.
    """
    if noise.ndim == 3:
        return np.stack([cv2.resize(one, (CELLS, CELLS), interpolation=cv2.INTER_CUBIC) for one in noise])
    blobs = noise.shape[1]
    along = cv2.resize(np.eye(blobs), (blobs, CELLS), interpolation=cv2.INTER_CUBIC)
    return _change_axes(noise, [along] * (noise.ndim - 1))


FEWEST_CELLS = 0.25
"""The share of cells that must lie on the picture for there to be masks enough that differ."""


def find_allowed(sides: Sequence[int], spans: Sequence[Span]) -> np.ndarray:
    """The cells that lie on the picture, at least by their middles, `(CELLS, CELLS)` bool; of a volume with a third
    axis. Padding is not hidden: there is nothing.

    Args:
        sides: of the picture or the volume, in pixels: height and width, or slices, rows and columns.
        spans: from where to where the model's input reaches along each.
    """
    along = [span.to_pixels(np.arange(CELLS), CELLS) for span in spans]
    inside = [(at >= 0) & (at <= side) for at, side in zip(along, sides, strict=True)]
    return np.asarray(reduce(np.logical_and.outer, inside))
