"""Two series of one patient side by side: which slice of one lies where a slice of the other does."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from explain.volumes.planes import Plane
from explain.volumes.volume import Volume

_PARALLEL = 0.985
"""Cosine of the angle (10°) up to which two planes count as the same."""

SAME_FRAME = "Linked by millimetres: both are measured from one place of the patient."
OTHER_FRAME = "Linked by share of the series: it is not known where the two lie to each other."
CROSSED = "Linked by share of the series: their slices do not lie in one plane."


@dataclass(frozen=True)
class Link:
    """How two series scroll together.

    Attributes:
        there: for each slice of the one, the nearest of the other, missing ones left out.
        back: the same the other way.
        said: how they are linked, in a sentence.
    """

    there: tuple[int, ...]
    back: tuple[int, ...]
    said: str


def hide_identifier(identifier: str) -> str:
    """Something that is the same for the same identifier, and tells nobody what it is; empty for none."""
    return hashlib.sha256(identifier.encode()).hexdigest() if identifier else ""


def link(one: Volume, plane: Plane, other: Volume, other_plane: Plane) -> Link:
    """Link the slices of two series.

    By where they lie along the normal of the slices, where both have one frame of reference and parallel slices; or
    else by their share of the way through.

    Args:
        one: a series.
        plane: in which it is looked at.
        other: another one.
        other_plane: in which that is looked at.
    """
    ours, theirs = one.list_there(plane), other.list_there(other_plane)
    said = OTHER_FRAME
    places = [_find_share(count) for count in (one.count(plane), other.count(other_plane))]
    if one.frame and one.frame == other.frame and one.geometry is not None and other.geometry is not None:
        normals = [_find_normal(*pair) for pair in ((one, plane), (other, other_plane))]
        said = CROSSED
        if abs(float(normals[0] @ normals[1])) >= _PARALLEL:
            said = SAME_FRAME
            places = [_find_places(*pair, normals[0]) for pair in ((one, plane), (other, other_plane))]
    return Link(_find_nearest(places[0], places[1], theirs), _find_nearest(places[1], places[0], ours), said)


def _find_share(count: int) -> np.ndarray:
    return np.linspace(0, 1, count) if count > 1 else np.array([0.5])


def _find_normal(volume: Volume, plane: Plane) -> np.ndarray:
    """The normal of a plane's slices, towards where they count up."""
    assert volume.geometry is not None
    _, down, across = volume.get_view(plane).direct(volume.geometry.directions)
    return np.cross(across, down)


def _find_places(volume: Volume, plane: Plane, normal: np.ndarray) -> np.ndarray:
    """How far the middle of each slice of a plane lies along a normal, in millimetres."""
    assert volume.geometry is not None
    view = volume.get_view(plane)
    count, rows, columns = view.count(volume.stored.shape)
    voxels = [view.find_voxel((at, rows // 2, columns // 2), volume.stored.shape) for at in range(count)]
    return np.array([np.dot(volume.geometry.locate(voxel), normal) for voxel in voxels])


def _find_nearest(places: np.ndarray, others: np.ndarray, there: list[int]) -> tuple[int, ...]:
    """For each place, the nearest of those of the others that are there."""
    near = np.abs(others[there][None, :] - places[:, None]).argmin(1)
    return tuple(int(there[at]) for at in near)
