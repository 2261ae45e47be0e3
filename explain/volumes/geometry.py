"""Where the slices of a stack lie in the patient: their order, what is missing, and whether other planes can be cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_TOLERANCE = 0.05
"""Of the usual distance: by how much slices may lie off their place."""

_WANDER = 0.02
"""Of the way through the stack: how far its slices may shift in their own plane and still count as upright."""

_FEWEST = 4
"""Slices from which another plane is more than a few lines."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the voxels `(d, h, w)` lie, in millimetres towards the patient's left, back and head (LPS, as DICOM's).

    Attributes:
        origins: centre of each slice's first voxel, `(d, 3)`.
        down: unit vector along which rows count up.
        across: unit vector along which columns count up.
        pitch: millimetres from row to row, and from column to column.
        step: millimetres from slice to slice, measured at right angles to them; None where that differs, or where there
            is one slice.
        fault: why no other planes can be cut, in a sentence; empty where they can.
    """

    origins: np.ndarray
    down: np.ndarray
    across: np.ndarray
    pitch: tuple[float, float]
    step: float | None
    fault: str = ""

    @property
    def affine(self) -> np.ndarray | None:
        """From a voxel (slice, row, column, 1) to its centre in LPS millimetres, `(4, 4)`; None without one step."""
        if self.step is None:
            return None
        affine = np.eye(4)
        affine[:3, 0] = (self.origins[-1] - self.origins[0]) / (len(self.origins) - 1)
        affine[:3, 1] = self.down * self.pitch[0]
        affine[:3, 2] = self.across * self.pitch[1]
        affine[:3, 3] = self.origins[0]
        return affine

    @property
    def directions(self) -> np.ndarray:
        """Unit vectors along which slices, rows and columns count up, `(3, 3)`."""
        along = self.origins[-1] - self.origins[0]
        length = float(np.linalg.norm(along))
        through = along / length if length else np.cross(self.across, self.down)
        return np.stack([through, self.down, self.across])

    def locate(self, voxel: Sequence[float]) -> tuple[float, float, float]:
        """The place of a voxel (slice, row, column) in LPS millimetres; the slice is a whole number."""
        slice_, row, column = voxel
        place = self.origins[int(slice_)] + self.down * (row * self.pitch[0]) + self.across * (column * self.pitch[1])
        return float(place[0]), float(place[1]), float(place[2])


@dataclass(frozen=True, eq=False)
class Arrangement:
    """The order of slices that were given in any order.

    Attributes:
        order: which of those given comes first, second …
        slots: on which place of the stack each of these lies, ascending from 0; a number left out is a missing slice.
        geometry: of the whole stack, missing slices included.
    """

    order: tuple[int, ...]
    slots: tuple[int, ...]
    geometry: Geometry


def find_distances(origins: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """How far along their common normal slices lie, in millimetres, `(n,)`."""
    return origins @ np.cross(across, down)


def have_places_of_their_own(distances: np.ndarray) -> bool:
    """Whether no two of the slices lie at one place."""
    gaps = np.diff(np.sort(distances))
    return not len(gaps) or bool(gaps.min() > max(0.01 * float(np.median(gaps)), 1e-4))


def arrange(origins: np.ndarray, down: np.ndarray, across: np.ndarray, pitch: tuple[float, float]) -> Arrangement:
    """Order slices by their positions and find what is missing between them.

    Distances are taken from the positions only: Spacing Between Slices is wrong for tilted scanners.

    Args:
        origins: position of each slice's first voxel in LPS millimetres, `(n, 3)`, in any order; no two at one place.
        down: unit vector along which rows count up.
        across: unit vector along which columns count up.
        pitch: millimetres from row to row, and from column to column.
    """
    distances = find_distances(origins, down, across)
    order = np.argsort(distances, kind="stable")
    sorted_origins, gaps = origins[order], np.diff(distances[order])
    if not len(gaps):
        geometry = Geometry(sorted_origins, down, across, pitch, None, "A single slice has no other planes.")
        return Arrangement((0,), (0,), geometry)
    usual = _find_usual(gaps)
    steps = np.rint(gaps / usual)
    whole = bool((steps >= 1).all() and (np.abs(gaps - steps * usual) <= _TOLERANCE * usual).all())
    missing = int(steps.sum()) - len(gaps)
    if not whole or missing > len(order):
        fault = f"Other planes cannot be shown: the slices lie {_say_distances(gaps)} mm apart."
        geometry = Geometry(sorted_origins, down, across, pitch, None, fault)
        return Arrangement(_as_ints(order), tuple(range(len(order))), geometry)
    slots = np.concatenate([[0], np.cumsum(steps)]).astype(int)
    step = float((distances[order[-1]] - distances[order[0]]) / slots[-1])
    filled = np.stack([np.interp(np.arange(slots[-1] + 1), slots, sorted_origins[:, axis]) for axis in range(3)], 1)
    fault = _find_tilt(sorted_origins, slots, np.cross(across, down), step)
    if not fault and len(order) < _FEWEST:
        fault = f"Other planes cannot be shown: they need at least {_FEWEST} slices, and there are {len(order)}."
    return Arrangement(_as_ints(order), _as_ints(slots), Geometry(filled, down, across, pitch, step, fault))


def _as_ints(numbers: np.ndarray) -> tuple[int, ...]:
    return tuple(int(number) for number in numbers)


def _find_usual(gaps: np.ndarray) -> float:
    """The distance that most neighbours have; of several as common, the smallest."""
    counts = [(np.abs(gaps - gap) <= _TOLERANCE * gap).sum() for gap in gaps]
    commonest = gaps[np.array(counts) == max(counts)].min()
    return float(np.median(gaps[np.abs(gaps - commonest) <= _TOLERANCE * commonest]))


def _say_distances(gaps: np.ndarray) -> str:
    """The distances there are, in words: up to three of them, or from the smallest to the largest."""
    found: list[float] = []
    for gap in np.sort(gaps):
        if not found or gap > found[-1] * (1 + _TOLERANCE):
            found.append(float(gap))
    said = [f"{gap:.3g}" for gap in found]
    return f"{said[0]} to {said[-1]}" if len(said) > 3 else " and ".join(filter(None, (", ".join(said[:-1]), said[-1])))


def _find_tilt(origins: np.ndarray, slots: np.ndarray, normal: np.ndarray, step: float) -> str:
    """Why the stack is no upright block, in a sentence: its slices shift sideways on the way through it."""
    way = origins - origins[0]
    sideways = way - np.outer(way @ normal, normal)
    drift = sideways[-1] / slots[-1]
    length = float(np.linalg.norm(drift))
    if length > _WANDER * step:
        angle = math.degrees(math.atan2(length, step))
        return (
            f"Other planes cannot be shown: the scanner was tilted by {angle:.3g}°, so that each slice lies "
            f"{length:.2g} mm beside the one before."
        )
    strays = np.linalg.norm(sideways - np.outer(slots, drift), axis=1)
    if strays.max() > max(_TOLERANCE * step, 0.1):
        return f"Other planes cannot be shown: slices lie up to {strays.max():.2g} mm beside each other."
    return ""
