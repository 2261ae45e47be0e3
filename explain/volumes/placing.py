"""Where the pixels of a slice lie in the patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explain.pictures.picture import Placement, Vector
from explain.pictures.sides import Edges
from explain.volumes.geometry import Geometry
from explain.volumes.planes import View


def find_placement(
    geometry: Geometry | None,
    view: View,
    shape: Sequence[int],
    size: tuple[int, int],
    measured: tuple[float, float, float] | None,
    index: int,
    edges: Edges | None,
) -> Placement | None:
    """Where the pixels of a view's slice lie; None where it is not known how large they are.

    Args:
        geometry: where the voxels lie; None where the files do not say.
        view: how the stack is turned.
        shape: slices, rows and columns of the stack as stored.
        size: height and width of the slice's picture, which may have more pixels than the view has rows and columns.
        measured: millimetres from slice to slice, row to row and column to column of the view.
        index: which slice of the view.
        edges: the letters of its edges.
    """
    if measured is None:
        return None
    _, rows, columns = view.count(shape)
    down, across = rows / size[0], columns / size[1]  # voxels from pixel to pixel
    pitch = (measured[1] * down, measured[2] * across)
    if geometry is None:
        return Placement(pitch)
    known = geometry

    def locate(along: int, row: int, column: int) -> np.ndarray:
        place = (index + along, (row + 0.5) * down - 0.5, (column + 0.5) * across - 0.5)
        voxel = [0.0, 0.0, 0.0]
        for axis, flip, at in zip(view.axes, view.flips, place, strict=True):
            voxel[axis] = shape[axis] - 1 - at if flip else at
        return np.array(known.locate(voxel)) if affine is None else (affine @ [*voxel, 1.0])[:3]

    affine = known.affine
    first = locate(0, 0, 0)
    return Placement(
        pitch,
        edges,
        _as_vector(first),
        _as_vector(locate(0, 1, 0) - first),
        _as_vector(locate(0, 0, 1) - first),
        None if affine is None else _as_vector(locate(1, 0, 0) - first),
    )


def _as_vector(place: np.ndarray) -> Vector:
    return float(place[0]), float(place[1]), float(place[2])
