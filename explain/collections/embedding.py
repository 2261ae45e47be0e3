"""Maps as points, so that alike maps lie near each other: each divided by the sum of its magnitudes, and laid flat by
principal components. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from explain.collections.gathered import Gathered

MOST_POINTS = 5_000
"""Maps that are laid out at once; of more, some are drawn by chance."""

SIDE = 16
"""Cells along a side of a map that is compared; a finer one is averaged (Lapuschkin et al. 2019, doi
10.1038/s41467-019-08987-4, average theirs too).
"""


@dataclass(frozen=True, eq=False)
class Laid:
    """Maps laid out.

    Attributes:
        rows: of the run, ascending.
        vectors: each map, `(n, cells)` float32, of magnitudes that sum to 1.
        shape: of a map, height and width in cells.
    """

    rows: np.ndarray
    vectors: np.ndarray
    shape: tuple[int, int]


def gather_maps(run: Gathered, rows: np.ndarray, method: str, most: int = MOST_POINTS, seed: int = 0) -> Laid:
    """The maps of some rows as vectors; left out are blank ones, and those of another shape than most.

    Args:
        run: the run.
        rows: ascending.
        method: whose maps.
        most: how many at most, drawn by the seed.
        seed: of that draw.
    """
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    kept = run.read_maps(rows.tolist(), method)
    small = {row: _pool(one.values) for row, one in kept.items() if (one.values != 0).any()}
    shapes = [values.shape for values in small.values()]
    if not shapes:
        return Laid(np.empty(0, np.int64), np.empty((0, 0), np.float32), (0, 0))
    shape = max(set(shapes), key=lambda one: (shapes.count(one), one))
    chosen = sorted(row for row, values in small.items() if values.shape == shape)
    vectors = np.stack([small[row].ravel() for row in chosen])
    vectors /= np.abs(vectors).sum(1, keepdims=True)
    return Laid(np.array(chosen, np.int64), vectors.astype(np.float32), (shape[0], shape[1]))


def _pool(values: np.ndarray) -> np.ndarray:
    height, width = values.shape
    if max(height, width) <= SIDE:
        return values.astype(np.float64)
    return cv2.resize(values, (min(width, SIDE), min(height, SIDE)), interpolation=cv2.INTER_AREA).astype(np.float64)


def lay_flat(laid: Laid) -> np.ndarray:
    """The first two principal components of the maps, `(n, 2)` float32; the sign of each is that of its largest weight,
    so that the same maps always lie the same way.
    """
    if len(laid.rows) < 2:
        return np.zeros((len(laid.rows), 2), np.float32)
    centred = laid.vectors - laid.vectors.mean(0)
    # The cells are few, so their covariance is small, however many maps there are.
    _, axes = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    flat = np.zeros((len(laid.rows), 2), np.float32)
    flat[:, : axes.shape[1]] = centred @ axes
    return flat
