"""Regions of a picture, drawn or given, and their pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from explain.errors import PictureError
from explain.pictures.geometry import Box

Region = Sequence[float] | Sequence[tuple[float, float]] | np.ndarray
"""A rectangle (left, top, right, bottom), the corners `(x, y)` of an outline, closed from the last to the first, or the
pixels themselves, `(H, W)` bool. Coordinates are in the picture's pixels, whose edges lie at whole numbers."""


def mask_region(region: Region, size: tuple[int, int]) -> np.ndarray:
    """The pixels of a region, `(H, W)` bool: those whose centre lies inside.

    Args:
        region: see `Region`.
        size: height and width of the picture.

    Raises:
        PictureError: it is no region, or holds no pixel of the picture.
    """
    if isinstance(region, np.ndarray) and region.dtype == bool:
        if region.shape != size:
            raise PictureError(
                f"The mask has {' × '.join(map(str, region.shape))} pixels, but the picture {size[0]} × {size[1]}. "
                "Give a mask of the picture's own size."
            )
        mask = region
    else:
        try:
            numbers = np.asarray(region, dtype=np.float64)
        except (TypeError, ValueError):
            numbers = np.empty(0)
        if numbers.shape == (4,):
            numbers = np.array(Box(*numbers).corners)
        if numbers.ndim != 2 or numbers.shape[1] != 2 or len(numbers) < 3 or not np.isfinite(numbers).all():
            raise PictureError(
                "A region is a rectangle (left, top, right, bottom), an outline of three corners or more, or a mask."
            )
        mask = contains(numbers.tolist(), np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5)
    if not mask.any():
        raise PictureError("The region holds no pixel of the picture. Draw it larger, or on the picture.")
    return mask


def join_regions(regions: Iterable[Region], size: tuple[int, int]) -> np.ndarray:
    """The pixels of any of some regions, `(H, W)` bool; see `mask_region`."""
    joined: np.ndarray = np.logical_or.reduce([mask_region(region, size) for region in regions])
    return joined


def contains(polygon: Sequence[tuple[float, float]], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which points of a grid lie inside an outline, by the even-odd rule, `(len(y), len(x))` bool."""
    within = np.zeros((len(y), len(x)), dtype=bool)
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
        if y1 != y2:
            # Only the rows that the edge crosses: an outline drawn by hand has hundreds of short ones.
            rows = np.flatnonzero((y1 <= y) != (y2 <= y))
            at = x1 + (y[rows] - y1) * (x2 - x1) / (y2 - y1)
            within[rows] ^= x[None, :] >= at[:, None]
    return within
