"""What is kept of a map in a collection: figures to filter by, and its values, small and in half precision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from explain.maps.agreement import rank_correlations
from explain.maps.heatmap import Heatmap

MOST_CELLS = 32
"""Along a side of a map that is kept; a finer one is averaged."""

CENTRE = 0.5
"""Of each side: the middle that counts as the centre, a quarter of the map."""

BORDER = 0.125
"""Of each side, at both ends: the frame that counts as the border, 44 % of the map."""

_LARGEST, _SMALLEST = 60_000.0, 1e-3
"""Between these the highest value of a map is held by half precision to a thousandth; others are held as shares."""


@dataclass(frozen=True)
class MapFigures:
    """A map in figures. All but `blank` are NaN for a map with nothing above zero; what is below zero counts as none.

    Attributes:
        blank: nothing is above zero, or something is no number.
        peak_x, peak_y: where it is highest, as shares of the picture's width and height, from the upper left.
        entropy: of its positive part, as a share of the most it could have: 0 for one cell, 1 for all alike (Shannon).
        centre: the share of its positive part in the middle, `CENTRE` of each side.
        border: the same in the frame, `BORDER` of each side.
        area: the share of its cells above half of its highest value.
    """

    blank: bool
    peak_x: float
    peak_y: float
    entropy: float
    centre: float
    border: float
    area: float


NAMES = tuple(MapFigures.__dataclass_fields__)
"""Of the figures, as the columns of a method end."""


def find_figures(heatmap: Heatmap, size: tuple[int, int]) -> MapFigures:
    """The figures of a map of a picture of `size` (height, width)."""
    if heatmap.blank:
        return MapFigures(True, *[math.nan] * (len(NAMES) - 1))
    positive = np.maximum(heatmap.values, 0).astype(np.float64)
    shares = positive / positive.sum()
    held = shares[shares > 0]
    entropy = float(-(held * np.log(held)).sum() / math.log(shares.size)) if shares.size > 1 else 0.0
    inset = (1 - CENTRE) / 2
    x, y = heatmap.peak
    return MapFigures(
        blank=False,
        peak_x=x / size[1],
        peak_y=y / size[0],
        entropy=max(entropy, 0.0),
        centre=_sum_within(shares, inset),
        border=max(1 - _sum_within(shares, BORDER), 0.0),
        area=float((positive > positive.max() / 2).mean()),
    )


def _sum_within(shares: np.ndarray, inset: float) -> float:
    """What of a map lies within its edges by more than a share of each side; cells that are cut count in part."""
    rows, columns = (_cover(count, inset) for count in shares.shape)
    return float(rows @ shares @ columns)


def _cover(count: int, inset: float) -> np.ndarray:
    """How much of each of so many cells lies between two ends of a side, `(count,)`, 0…1."""
    edges = np.arange(count + 1) / count
    return np.clip(np.minimum(edges[1:], 1 - inset) - np.maximum(edges[:-1], inset), 0, None) * count


def find_agreement(maps: Sequence[Heatmap]) -> float:
    """How far the maps of several methods agree: the mean of Spearman's rank correlation over all pairs, -1…1. NaN
    where no two can be compared. See `explain.maps.agreement`.
    """
    if len(maps) < 2:
        return math.nan
    matrix = rank_correlations([one.values for one in maps], [one.box for one in maps])
    pairs = matrix[np.triu_indices(len(maps), 1)]
    known = pairs[np.isfinite(pairs)]
    return float(known.mean()) if len(known) else math.nan


def pack(values: np.ndarray) -> tuple[np.ndarray, float]:
    """A map as it is kept: signed, not normalised, at most `MOST_CELLS` along a side, in half precision.

    Args:
        values: `(h, w)` float32, finite.

    Returns:
        `(h', w')` float16, and what it must be multiplied by: 1 but for a map whose values half precision cannot hold,
        which is kept in shares of its largest magnitude.
    """
    height, width = values.shape
    if max(height, width) > MOST_CELLS:
        # Each side by itself: a map of 14 × 100 keeps its 14 rows.
        smaller = (min(width, MOST_CELLS), min(height, MOST_CELLS))
        values = cv2.resize(values.astype(np.float32), smaller, interpolation=cv2.INTER_AREA)
    largest = float(np.abs(values).max())
    scale = 1.0 if largest == 0 or _SMALLEST <= largest <= _LARGEST else largest
    return (values / np.float32(scale)).astype(np.float16), scale
