"""The numbers of one slice as a browser is given them, which windows them by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain.volumes.planes import Plane
from explain.volumes.volume import Volume

LONGEST = 256
"""Voxels along each side of the block in which other planes are looked through."""

_SMALL = (np.dtype(np.int16), np.dtype(np.uint16))


@dataclass(frozen=True, eq=False)
class Numbers:
    """The numbers of a slice, and what makes greys of them.

    Attributes:
        stored: int16 or uint16 as stored, or float32 where those do not hold them, `(h, w)`; NaN stands for nothing.
        slope: by which they are multiplied to be in the file's units.
        intercept: what is added then.
        inverted: whether the file asks for greys from white to black.
        at: which slice of the stack says how it is shown: itself, or the middle one of those it is cut through.
        is_exact: whether one window holds for all of it, so that it looks as `Volume.slice` draws it.
    """

    stored: np.ndarray
    slope: float
    intercept: float
    inverted: bool
    at: int
    is_exact: bool


def cut_numbers(volume: Volume, plane: Plane, index: int) -> Numbers | None:
    """The numbers of a slice; None for colour, and where the slice is missing.

    Args:
        volume: where it lies.
        plane: one of those that can be shown.
        index: which slice of it, from 0.
    """
    if volume.stored.ndim == 4:
        return None
    view = volume.get_view(plane)
    turned = view.turn(volume.stored)[index]
    there = np.flatnonzero(volume.present)
    if view.axes[0] == 0:
        at = len(volume.stored) - 1 - index if view.flips[0] else index
        if not volume.present[at]:
            return None
        return Numbers(_fit(turned), *_read_scale(volume, at), at, True)
    at = int(there[len(there) // 2])
    is_exact = _has_one_look(volume, there)
    if _has_one_scale(volume, there):
        return Numbers(_fit(turned), *_read_scale(volume, at), at, is_exact)
    # The scale of each slice as a slice of the plane has it: of a stack as thin as a needle, turned likewise.
    slopes, intercepts = (view.turn(one[:, None, None])[0] for one in (volume.slopes, volume.intercepts))
    return Numbers(_find_values(volume, turned, slopes, intercepts), 1.0, 0.0, _read_scale(volume, at)[2], at, is_exact)


def cut_block(volume: Volume) -> tuple[Numbers, tuple[int, int, int]] | None:
    """All numbers of a stack, thinned out to at most `LONGEST` a side, and every how many of slices, rows and columns
    were kept, `(d, h, w)`: enough to look through it in other planes. None for colour.
    """
    if volume.stored.ndim == 4:
        return None
    steps = [-(-side // LONGEST) for side in volume.stored.shape]
    thin = volume.stored[tuple(slice(None, None, step) for step in steps)]
    there = np.flatnonzero(volume.present)
    at = int(there[len(there) // 2])
    slope, intercept, inverted = _read_scale(volume, at)
    if not _has_one_scale(volume, there):
        scales = (one[:: steps[0], None, None] for one in (volume.slopes, volume.intercepts))
        thin, slope, intercept = _find_values(volume, thin, *scales), 1.0, 0.0
    numbers = Numbers(_fit(thin), slope, intercept, inverted, at, _has_one_look(volume, there))
    return numbers, (steps[0], steps[1], steps[2])


def _has_one_look(volume: Volume, there: np.ndarray) -> bool:
    """Whether its slices have no windows of their own, nor greys the other way round than others."""
    inverted = np.zeros(1) if volume.inverted is None else volume.inverted[there]
    return len({volume.own_windows[one] for one in there if volume.own_windows}) < 2 and len(set(inverted)) < 2


def _has_one_scale(volume: Volume, there: np.ndarray) -> bool:
    return len(set(volume.slopes[there])) < 2 and len(set(volume.intercepts[there])) < 2


def _find_values(volume: Volume, stored: np.ndarray, slopes: np.ndarray, intercepts: np.ndarray) -> np.ndarray:
    """Numbers in the file's units, float32; NaN where they stand for nothing."""
    values = stored * slopes + intercepts
    if volume.padding is not None:
        values[(stored >= volume.padding[0]) & (stored <= volume.padding[1])] = np.nan
    return values.astype(np.float32)


def _read_scale(volume: Volume, at: int) -> tuple[float, float, bool]:
    inverted = volume.inverted is not None and bool(volume.inverted[at])
    return float(volume.slopes[at]), float(volume.intercepts[at]), inverted


def _fit(stored: np.ndarray) -> np.ndarray:
    """The numbers in the smallest of the three types that holds all of their kind."""
    for small in _SMALL:
        if np.can_cast(stored.dtype, small):
            return np.ascontiguousarray(stored, small)
    if stored.dtype.kind in "iu" and stored.size:
        low, high = int(stored.min()), int(stored.max())
        for small in _SMALL:
            if np.iinfo(small).min <= low and high <= np.iinfo(small).max:
                return np.ascontiguousarray(stored, small)
    return np.ascontiguousarray(stored, np.float32)
