"""Where the pixels of a slice lie, against the voxels below them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.explain.volumes.test_volume import FULL, volume


@pytest.mark.parametrize("plane", ["stack", "axial", "coronal", "sagittal"])
def test_a_slice_knows_where_its_pixels_lie(plane: Any) -> None:
    """Against `find_voxel` and `locate`, for a picture that is enlarged where voxels are not square."""
    scan = volume(pitch=(0.5, 1.5))
    height, width = scan.size(plane)
    placement = scan.slice(2, plane, FULL).placement
    assert placement is not None and placement.origin is not None and placement.edges == scan.name_edges(plane)
    origin, down, across, through = map(
        np.array, (placement.origin, placement.down, placement.across, placement.through)
    )
    assert np.linalg.norm(down) == pytest.approx(placement.pitch[0]) == pytest.approx(np.linalg.norm(across))
    for index, row, column in ((2, 0, 0), (3, height - 1, width // 2), (1, height // 3, width - 1)):
        found = origin + (index - 2) * through + row * down + column * across
        voxel = scan.find_voxel(plane, index, (column + 0.5, row + 0.5))
        assert scan.geometry is not None
        # Anywhere in that voxel: half of each of its sides away from the middle at most.
        assert (np.abs(found - scan.geometry.locate(voxel)) <= np.array([0.75, 0.25, 1.0]) + 1e-6).all()


def test_where_nobody_knows_a_slice_says_nothing() -> None:
    assert volume(geometry=None, pitch=None).slice(0, window=FULL).placement is None
    bare = volume(geometry=None).slice(0, window=FULL).placement
    assert bare is not None and bare.pitch == (1.0, 1.0) and bare.origin is None and bare.edges is None
