"""Maps of no meaning, beside which any figure must be read: what does not beat them says nothing of the map."""

from __future__ import annotations

from functools import reduce

import numpy as np

from explain.faithfulness.probe import CELLS, draw_out

_BLOBS = 3  # rows and columns of the noise that smooth maps are drawn out from


def draw_all_bright(axes: int = 2) -> np.ndarray:
    """Everything marked alike, `(CELLS, CELLS)`; of a volume with a third axis, as all here."""
    return np.ones((CELLS,) * axes)


def draw_centre(axes: int = 2) -> np.ndarray:
    """A bell in the middle, its spread half the way to the edge: what knowing only where people put what they
    photograph gives, `(CELLS, CELLS)`.
    """
    along = (np.arange(CELLS) + 0.5) / CELLS * 2 - 1
    bell = np.exp(-(along**2) / (2 * 0.5**2))
    return np.asarray(reduce(np.multiply.outer, [bell] * axes))


def draw_random_cells(seed: int, count: int, axes: int = 2) -> np.ndarray:
    """Chance in each cell by itself; see `draw_random_blobs`."""
    return _pair(np.random.default_rng(seed).random((count // 2, *(CELLS,) * axes)))


def draw_random_blobs(seed: int, count: int, axes: int = 2) -> np.ndarray:
    """Chance as smooth as maps are.

    Each second map is the one before turned upside down: where one hides the most marked first, the other hides the
    least marked, so that both share all their steps.

    Args:
        seed: of the picture.
        count: how many, an even number.
        axes: of the input.

    Returns:
        `(count, CELLS, CELLS)`, 0…1.
    """
    noise = np.random.default_rng(seed).random((count // 2, *(_BLOBS,) * axes))
    return _pair(draw_out(noise))


def _pair(maps: np.ndarray) -> np.ndarray:
    """Each map from 0 to 1, and after it 1 less the map."""
    space = tuple(range(1, maps.ndim))
    low, high = maps.min(space, keepdims=True), maps.max(space, keepdims=True)
    scaled = (maps - low) / (high - low)
    return np.stack([scaled, 1 - scaled], axis=1).reshape(-1, *maps.shape[1:])
