"""What share of a map lies inside a drawn region, or on a mask.

On the page the canvas works out the share of a drawn region in the browser. This is the same for Python, and what the
canvas is tested by.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explain.maps.render import place
from explain.pictures.geometry import Box
from explain.pictures.region import contains

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
    return contains(polygon, (np.arange(columns) + 0.5) * size[1] / columns, (np.arange(rows) + 0.5) * size[0] / rows)


def region_share(
    values: np.ndarray, box: Box, size: tuple[int, int], polygon: Sequence[tuple[float, float]]
) -> float | None:
    """The share of a map's positive part that lies inside an outline.

    The map is cut off at zero, laid on the picture as the renderer does (`explain.maps.render.place`), and read at the
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
    scaled = box.resized(size, (rows, columns))
    positive = np.nan_to_num(place(np.maximum(values, 0), scaled, (rows, columns))).astype(np.float64)
    total = positive.sum()
    return float(positive[inside(polygon, size)].sum() / total) if total > 0 else None


def mask_share(values: np.ndarray, box: Box, mask: np.ndarray) -> float | None:
    """The share of a map's positive part that lies on a mask; see `mask_shares`."""
    return mask_shares(values, box, [mask])[0]


def mask_shares(values: np.ndarray, box: Box, masks: Sequence[np.ndarray]) -> list[float | None]:
    """The shares of a map's positive part that lie on masks, pixel by pixel of the picture.

    The map is cut off at zero and laid on the picture as the renderer does. What the model did not see is zero. A map
    that is the same everywhere has a mask's own share of what was seen.

    Args:
        values: the raw map `(h, w)`, signed.
        box: where it lies, in the picture's pixels.
        masks: one or several, `(H, W)` bool, of the whole picture.

    Returns:
        Each 0…1, or None where nothing of the map is above zero, or something of it is no number.
    """
    positive = np.nan_to_num(place(np.maximum(values, 0), box, masks[0].shape)).astype(np.float64)
    total = positive.sum()
    return [float(positive[mask].sum() / total) if total > 0 else None for mask in masks]
