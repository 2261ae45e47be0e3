"""Regions of a picture: their pixels, and how much of a map lies inside an outline drawn on the picture. For the latter
the canvas in the browser does the same arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explain.errors import PictureError
from explain.geometry import Box
from explain.render import place

Region = Box | Sequence[tuple[float, float]] | np.ndarray
"""A rectangle (left, top, right, bottom), the corners `(x, y)` of an outline, closed from the last to the first, or the
pixels themselves, `(H, W)` bool. Coordinates are in the picture's pixels, whose edges lie at whole numbers."""

SAMPLES = 512  # along the picture's longer side


def sampling_grid(size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the samples laid over a picture of `size` (height, width): `SAMPLES` on its longer side."""
    height, width = size
    longest = max(height, width)
    return max(1, int(SAMPLES * height / longest + 0.5)), max(1, int(SAMPLES * width / longest + 0.5))


def inside(polygon: Sequence[tuple[float, float]], size: tuple[int, int]) -> np.ndarray:
    """Which samples lie inside an outline, by the even-odd rule, `(rows, columns)` bool.

    Args:
        polygon: corners `(x, y)` in the picture's pixels, closed from the last to the first.
        size: height and width of the picture.
    """
    rows, columns = sampling_grid(size)
    return _contains(polygon, (np.arange(columns) + 0.5) * size[1] / columns, (np.arange(rows) + 0.5) * size[0] / rows)


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
            left, top, right, bottom = numbers
            numbers = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        if numbers.ndim != 2 or numbers.shape[1] != 2 or len(numbers) < 3 or not np.isfinite(numbers).all():
            raise PictureError(
                "A region is a rectangle (left, top, right, bottom), an outline of three corners or more, or a mask."
            )
        mask = _contains(numbers.tolist(), np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5)
    if not mask.any():
        raise PictureError("The region holds no pixel of the picture. Draw it larger, or on the picture.")
    return mask


def _contains(polygon: Sequence[tuple[float, float]], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which points of a grid lie inside an outline, by the even-odd rule, `(len(y), len(x))` bool."""
    within = np.zeros((len(y), len(x)), dtype=bool)
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
        if y1 != y2:
            # Only the rows that the edge crosses: an outline drawn by hand has hundreds of short ones.
            rows = np.flatnonzero((y1 <= y) != (y2 <= y))
            at = x1 + (y[rows] - y1) * (x2 - x1) / (y2 - y1)
            within[rows] ^= x[None, :] >= at[:, None]
    return within


def region_share(
    values: np.ndarray, box: Box, size: tuple[int, int], polygon: Sequence[tuple[float, float]]
) -> float | None:
    """The share of a map's positive part that lies inside an outline.

    The map is cut off at zero, laid on the picture as the renderer does (see `explain.render.place`), and read at the
    middles of a grid of squares, `SAMPLES` of them along the picture's longer side. What the model did not see is zero.

    Args:
        values: the raw map `(h, w)`, signed, finite.
        box: where it lies, in the picture's pixels.
        size: height and width of the picture.
        polygon: corners `(x, y)` of the outline in the picture's pixels.

    Returns:
        0…1, or None where nothing of the map is above zero.
    """
    rows, columns = sampling_grid(size)
    across, down = columns / size[1], rows / size[0]
    scaled = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
    positive = np.nan_to_num(place(np.maximum(values, 0), scaled, (rows, columns))).astype(np.float64)
    total = positive.sum()
    return float(positive[inside(polygon, size)].sum() / total) if total > 0 else None
