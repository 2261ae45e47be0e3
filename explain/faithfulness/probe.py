"""The coarse grid on which maps are tested: maps laid on its cells, and masks that hide half of them."""

from __future__ import annotations

import cv2
import numpy as np

from explain.maps.render import place
from explain.pictures.geometry import Box

CELLS = 8
"""Rows and columns of the grid, over the model's input. A finer map is averaged, a coarser one drawn out."""

_PER_CELL = 8  # places in a cell, along each side, at which a map is read
_BLOBS = 4  # rows and columns of the noise that masks are made of


def lay_on_cells(values: np.ndarray) -> np.ndarray:
    """What a map says for the class, averaged over the cells of the grid.

    It is drawn out as on the page (bilinear), because that is what a person looks at.

    Args:
        values: `(h, w)` over the whole input, signed; what is below zero counts as nothing.

    Returns:
        `(CELLS, CELLS)` float64, at least 0. All 0 for a map with a value that is no number, of which nothing is shown.
    """
    positive = np.maximum(values, 0).astype(np.float32)
    if not np.isfinite(values).all():
        return np.zeros((CELLS, CELLS))
    side = CELLS * _PER_CELL
    if max(values.shape) > side:
        positive = cv2.resize(positive, (side, side), interpolation=cv2.INTER_AREA)
    fine = place(positive, Box.whole((side, side)), (side, side)).astype(np.float64)
    return fine.reshape(CELLS, _PER_CELL, CELLS, _PER_CELL).mean((1, 3))


def find_shown(values: np.ndarray) -> np.ndarray:
    """What is seen of a map, `(h, w)` float32, 0…1; nothing of one that is blank or not finite."""
    positive = np.maximum(values, 0)
    highest = positive.max()
    shown = positive / highest if np.isfinite(values).all() and highest > 0 else np.zeros_like(positive)
    return shown.astype(np.float32)


def draw_masks(seed: int, count: int, allowed: np.ndarray | None = None) -> np.ndarray:
    """Masks that each hide half of the cells, in smooth blobs: noise on a coarse grid, drawn out and cut at its median.

    Args:
        seed: the same seed gives the same masks, and those of a lower count are the first of a higher.
        count: how many.
        allowed: the cells that may be hidden, `(CELLS, CELLS)` bool; all where left out.

    Returns:
        `(count, CELLS, CELLS)` bool, True where a cell is hidden.
    """
    noise = np.random.default_rng(seed).standard_normal((count, _BLOBS, _BLOBS))
    drawn = np.stack([cv2.resize(one, (CELLS, CELLS), interpolation=cv2.INTER_CUBIC) for one in noise])
    if allowed is None:
        allowed = np.ones((CELLS, CELLS), dtype=bool)
    medians = np.median(drawn[:, allowed], axis=1)
    masks: np.ndarray = (drawn > medians[:, None, None]) & allowed
    return masks


FEWEST_CELLS = 16
"""Cells that must lie on the picture for there to be masks enough that differ."""


def find_allowed(size: tuple[int, int], box: Box) -> np.ndarray:
    """The cells that lie on the picture, at least by their middles, `(CELLS, CELLS)` bool. Padding is not hidden:
    there is nothing.

    Args:
        size: height and width of the picture.
        box: the rectangle of it that the model's input shows.
    """
    along = [span.to_pixels(np.arange(CELLS), CELLS) for span in box.spans]
    rows, columns = ((at >= 0) & (at <= side) for at, side in zip(along, size, strict=True))
    inside: np.ndarray = rows[:, None] & columns[None, :]
    return inside
