"""Planes through a stack: which axis of its numbers is which in a picture, by permuting and flipping only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np

Plane = Literal["stack", "axial", "coronal", "sagittal"]
"""`stack` is the slices as the scanner made them; the others are cut through the block that they form."""

PLANES: tuple[Plane, ...] = ("stack", "axial", "coronal", "sagittal")

_TOWARDS: dict[Plane, tuple[tuple[int, int], ...]] = {
    "axial": ((2, 1), (1, 1), (0, 1)),
    "coronal": ((1, 1), (2, -1), (0, 1)),
    "sagittal": ((0, -1), (2, -1), (1, 1)),
}
"""Axis of LPS and its sign, towards which slices, rows and columns count up: the patient's right on the left, and
anterior on the left in sagittal ones. Slices, rows and columns are right-handed, so that nothing is ever mirrored."""


@dataclass(frozen=True)
class View:
    """How the numbers `(d, h, w)` are looked at.

    Attributes:
        axes: which of their axes the slices, rows and columns of the view are.
        flips: which of these count the other way.
    """

    axes: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)

    def turn(self, numbers: np.ndarray) -> np.ndarray:
        """The numbers, `(d, h, w)` or `(d, h, w, 3)`, as the view orders them; no copy."""
        turned = numbers.transpose(*self.axes, *range(3, numbers.ndim))
        return turned[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)]

    def count(self, shape: Sequence[int]) -> tuple[int, int, int]:
        """Slices, rows and columns of the view, of numbers of that shape."""
        slices, rows, columns = (shape[axis] for axis in self.axes)
        return slices, rows, columns

    def find_voxel(self, place: Sequence[int], shape: Sequence[int]) -> tuple[int, int, int]:
        """The voxel that is on a slice, row and column of the view."""
        voxel = [0, 0, 0]
        for axis, flip, at in zip(self.axes, self.flips, place, strict=True):
            voxel[axis] = shape[axis] - 1 - at if flip else at
        return voxel[0], voxel[1], voxel[2]

    def find_place(self, voxel: Sequence[int], shape: Sequence[int]) -> tuple[int, int, int]:
        """The way back: slice, row and column of the view on which a voxel lies."""
        place = [
            shape[axis] - 1 - voxel[axis] if flip else voxel[axis]
            for axis, flip in zip(self.axes, self.flips, strict=True)
        ]
        return place[0], place[1], place[2]

    def direct(self, directions: np.ndarray) -> np.ndarray:
        """Directions `(3, 3)` of the numbers' axes, as those of the view's slices, rows and columns."""
        return directions[list(self.axes)] * np.where(self.flips, -1.0, 1.0)[:, None]


def find_view(plane: Plane, directions: np.ndarray) -> View:
    """The view of a plane, by the axes of the numbers that lie nearest to it.

    Args:
        plane: the stack itself is looked at as it is.
        directions: unit vectors in LPS along which slices, rows and columns count up, `(3, 3)`.
    """
    if plane == "stack":
        return View()
    return find_turn(_TOWARDS[plane], directions)


def find_turn(wanted: Sequence[tuple[int, int]], directions: np.ndarray) -> View:
    """The view whose slices, rows and columns count up nearest to what is wanted.

    Args:
        wanted: for each of them the axis of LPS, and 1 or -1 for which way.
        directions: unit vectors in LPS along which the numbers' slices, rows and columns count up, `(3, 3)`.
    """
    axes = max(
        permutations(range(3)),
        key=lambda chosen: sum(abs(directions[axis, lps]) for axis, (lps, _) in zip(chosen, wanted, strict=True)),
    )
    flips = [bool(directions[axis, lps] * sign < 0) for axis, (lps, sign) in zip(axes, wanted, strict=True)]
    return View((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))
