"""All 48 orders in which a block can be stored: every plane shows the same, the right way up and never mirrored."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from explain.volumes.planes import PLANES, View, find_view

TOWARDS = {"axial": (2, 1, 0), "coronal": (1, 2, 0), "sagittal": (0, 2, 1)}
SIGNS = {"axial": (1, 1, 1), "coronal": (1, -1, 1), "sagittal": (-1, -1, 1)}
"""By plane, the axes of LPS along which slices, rows and columns count up, and their signs."""


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_every_order_of_axes_shows_the_same(plane: str) -> None:
    body = np.arange(2 * 3 * 4).reshape(2, 3, 4)  # axes L, P, H
    wanted = body.transpose(TOWARDS[plane])[tuple(slice(None, None, sign) for sign in SIGNS[plane])]
    for axes, flips in product(permutations(range(3)), product((1, -1), repeat=3)):
        stored = body.transpose(axes)[tuple(slice(None, None, sign) for sign in flips)]
        directions = np.eye(3)[list(axes)] * np.array(flips)[:, None]
        view = find_view(plane, directions)  # type: ignore[arg-type]
        assert np.array_equal(view.turn(stored), wanted)
        assert np.allclose(view.direct(directions), np.eye(3)[list(TOWARDS[plane])] * np.array(SIGNS[plane])[:, None])
        for place in ((0, 0, 0), (1, 2, 1), tuple(side - 1 for side in wanted.shape)):
            place = tuple(min(at, side - 1) for at, side in zip(place, wanted.shape, strict=True))
            voxel = view.find_voxel(place, stored.shape)
            assert stored[voxel] == wanted[place] and view.find_place(voxel, stored.shape) == place


def test_nothing_is_mirrored() -> None:
    """Slices, rows and columns of every plane are right-handed: across × down points through the slices."""
    for plane in PLANES[1:]:
        through, down, across = find_view(plane, np.eye(3)).direct(np.eye(3))
        assert np.allclose(np.cross(across, down), through)


def test_the_stack_is_looked_at_as_it_is() -> None:
    assert find_view("stack", -np.eye(3)) == View()


def test_colour_keeps_its_last_axis() -> None:
    body = np.zeros((2, 3, 4, 3))
    assert View((2, 0, 1), (True, False, True)).turn(body).shape == (4, 2, 3, 3)
