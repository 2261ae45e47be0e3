"""Two series scroll together by millimetres where that is known, and by share of the series where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explain.volumes.linking import CROSSED, OTHER_FRAME, SAME_FRAME, hide_identifier, link
from explain.volumes.planes import Plane
from explain.volumes.reading import read_volumes
from explain.volumes.volume import Volume
from tests.support.dicom_files import CORONAL, make_series, ramp, write


def read(heights: list[float], rows: int = 20, **elements: Any) -> Volume:
    """Axial slices at these heights."""
    series = make_series(ramp(len(heights), rows, 30), [(0, 0, height) for height in heights], **elements)
    return read_volumes([write(ds) for ds in series]).series[0].open()


def test_one_frame_of_reference_links_by_millimetres() -> None:
    one = read([0, 5, 10, 15, 20, 25])
    other = read([-4, 0, 4, 8, 16, 20, 24, 28, 32], SeriesInstanceUID="1.2.9")  # 12 is missing
    found = link(one, "stack", other, "stack")
    assert found.said == SAME_FRAME
    there = [0, 1, 2, 3, 5, 6, 7, 8, 9]
    heights = -4.0 + 4.0 * np.array(there)
    assert found.there == tuple(there[int(np.abs(heights - at).argmin())] for at in (0, 5, 10, 15, 20, 25))
    assert found.back == (0, 0, 1, 2, 2, 3, 4, 5, 5, 5)
    assert link(other, "stack", one, "stack").there == found.back


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_planes_of_another_way_of_scanning_are_linked_alike(plane: Plane) -> None:
    axial = read([0, 2, 4, 6, 8, 10], PixelSpacing=[2.0, 2.0])
    numbers = ramp(9, 6, 30)
    places = [(0, 2.0 * at, 10.0) for at in range(9)]  # from front to back, and downwards
    series = make_series(numbers, places, CORONAL, PixelSpacing=[2.0, 2.0], SeriesInstanceUID="1.2.9")
    coronal = read_volumes([write(ds) for ds in series]).series[0].open()
    found = link(axial, plane, coronal, plane)
    assert found.said == SAME_FRAME
    ours, theirs = axial.geometry, coronal.geometry
    assert ours is not None and theirs is not None
    axis = {"axial": 2, "coronal": 1, "sagittal": 0}[plane]
    for at, partner in enumerate(found.there):
        here = ours.locate(axial.get_view(plane).find_voxel((at, 0, 0), axial.stored.shape))[axis]
        best = [
            abs(theirs.locate(coronal.get_view(plane).find_voxel((i, 0, 0), coronal.stored.shape))[axis] - here)
            for i in range(coronal.count(plane))
        ]
        assert best[partner] == min(best)
    assert link(axial, "stack", coronal, "stack").said == CROSSED


def test_without_one_frame_the_share_of_the_way_links() -> None:
    one, other = read([0, 5, 10, 15, 20]), read([0, 1, 2], SeriesInstanceUID="1.2.9", FrameOfReferenceUID="1.2.7")
    found = link(one, "stack", other, "stack")
    assert found.said == OTHER_FRAME and found.there == (0, 0, 1, 1, 2) and found.back == (0, 2, 4)


def test_an_identifier_is_not_kept() -> None:
    volume = read([0, 5, 10], FrameOfReferenceUID="1.2.840.77")
    assert volume.frame == hide_identifier("1.2.840.77") and hide_identifier("") == ""
    assert "1.2.840.77" not in repr(vars(volume)) and volume.frame not in repr(volume)
