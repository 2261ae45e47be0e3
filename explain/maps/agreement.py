"""How far maps of one picture agree, whatever their scales: rank correlation, and their difference.

Maps of several methods have no common unit, so what can be compared is the order of the places (Spearman's rank
correlation, as in Adebayo et al., "Sanity Checks for Saliency Maps", 2018, arXiv 1810.03292) and their shapes, each
divided by its largest value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explain.pictures.geometry import Box, Span


def rank_correlations(maps: Sequence[np.ndarray], boxes: Sequence[Box]) -> np.ndarray:
    """Spearman's rank correlation of every pair of maps.

    Args:
        maps: each `(h, w)`, signed; the part below zero counts as nothing, as it does on the page.
        boxes: where each lies on the picture, in the picture's pixels.

    Returns:
        `(n, n)`, -1…1, symmetric. NaN where a map is constant or not finite: it has no order to compare.
    """
    laid = _lay_on_one_grid([np.maximum(values, 0) for values in maps], boxes)
    ranks = np.array([_standardise(values.ravel()) for values in laid])
    return np.clip(ranks @ ranks.T, -1, 1)


def correlate_ranks(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation of two rows of numbers `(n,)`, -1…1; NaN where one is constant or not finite."""
    return float(np.clip(_standardise(one) @ _standardise(other), -1, 1))


def describe_agreement(matrix: np.ndarray, names: Sequence[str]) -> str:
    """The nearest and the furthest two in words, for those who cannot see the matrix."""
    pairs = [
        (float(matrix[i, j]), names[i], names[j])
        for i in range(len(names))
        for j in range(i)
        if not np.isnan(matrix[i, j])
    ]
    if not pairs:
        return "None of these maps can be compared: each has the same value everywhere."
    low, high = min(pairs), max(pairs)
    nearest = f"Most alike: {high[2]} and {high[1]} ({high[0]:.2f})."
    return nearest if len(pairs) == 1 else f"{nearest} Least alike: {low[2]} and {low[1]} ({low[0]:.2f})."


def subtract(first: np.ndarray, second: np.ndarray, boxes: tuple[Box, Box]) -> tuple[np.ndarray, Box]:
    """What the first map shows more than the second, each in units of its own largest value.

    Args:
        first: `(h, w)`, signed; below zero counts as nothing.
        second: the same, on a grid of its own.
        boxes: where each lies on the picture.

    Returns:
        `(H, W)` float32, -1…1, on the finer grid over the part of the picture that both maps cover, and that part.
    """
    scaled = []
    for values in (first, second):
        positive = np.maximum(values, 0)
        largest = positive.max()
        scaled.append(positive / largest if largest > 0 else positive)
    one, other = _lay_on_one_grid(scaled, boxes)
    return (one - other).astype(np.float32), Box.common(boxes)


def _lay_on_one_grid(maps: Sequence[np.ndarray], boxes: Sequence[Box]) -> list[np.ndarray]:
    """Every map sampled (bilinear) at the cell centres of one grid over the part of the picture that all cover.

    The grid is as fine as the finest of the maps is there.
    """
    common = Box.common(boxes)
    counts = [
        [_count(*axis) for axis in zip(values.shape, box.spans, common.spans, strict=True)]
        for values, box in zip(maps, boxes, strict=True)
    ]
    finest = [max(along) for along in zip(*counts, strict=True)]
    y, x = (span.to_pixels(np.arange(count), count) for span, count in zip(common.spans, finest, strict=True))
    return [_sample(values, box, x, y) for values, box in zip(maps, boxes, strict=True)]


def _count(cells: int, span: Span, part: Span) -> int:
    """How many of a map's cells fall into a part of its span; at least one."""
    return max(1, round(cells * part.length / span.length))


def _sample(values: np.ndarray, box: Box, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    height, width = values.shape
    down, across = box.spans
    column = np.clip(across.to_cells(x, width), 0, width - 1)
    row = np.clip(down.to_cells(y, height), 0, height - 1)
    c0, r0 = np.floor(column).astype(int), np.floor(row).astype(int)
    c1, r1 = np.minimum(c0 + 1, width - 1), np.minimum(r0 + 1, height - 1)
    between = values[:, c0] * (1 - (column - c0)) + values[:, c1] * (column - c0)
    share = (row - r0)[:, None]
    return between[r0] * (1 - share) + between[r1] * share


def _standardise(values: np.ndarray) -> np.ndarray:
    """The ranks of values, less their mean and of length 1, so that the product of two is their correlation; NaN where
    the values are constant or not finite.
    """
    if not np.isfinite(values).all():
        return np.full(values.shape, np.nan)
    ranks = _rank(values)
    ranks -= (len(values) + 1) / 2
    length = np.sqrt(ranks @ ranks)
    return ranks / length if length > 0 else np.full(values.shape, np.nan)


def _rank(values: np.ndarray) -> np.ndarray:
    """Rank of each value from 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]
