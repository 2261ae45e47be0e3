"""Where the frames of a segmentation lie in a series."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from explain.errors import PictureError
from explain.volumes.geometry import Geometry, arrange
from explain.volumes.header import read_header
from explain.volumes.structures import place_regions, read_segmentation
from tests.support.dicom_files import make_enhanced, write

SIZE = (6, 7)


def geometry(pitch: tuple[float, float] = (1.0, 1.0)) -> Geometry:
    origins = np.array([[0.0, 0.0, 3.0 * at] for at in range(5)])
    return arrange(origins, np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0]), pitch).geometry


def segmentation(masks: np.ndarray, places: list[tuple[float, float, float]], **elements: Any) -> bytes:
    """A fractional segmentation, one frame for each area in turn."""
    frames = [
        {
            "PlanePositionSequence": {"ImagePositionPatient": list(place)},
            "PlaneOrientationSequence": {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
            "PixelMeasuresSequence": {"PixelSpacing": [1, 1]},
            "SegmentIdentificationSequence": {"ReferencedSegmentNumber": 1 + at % 2},
        }
        for at, place in enumerate(places)
    ]
    segments = []
    for number in (1, 2):
        segments.append(Dataset())
        segments[-1].SegmentNumber = number
    ds = make_enhanced(
        masks.astype(np.uint8), frames, SegmentSequence=Items(segments), SegmentationType="FRACTIONAL", **elements
    )
    ds.MaximumFractionalValue = 200
    return write(ds)


def placed(data: bytes, where: Geometry) -> dict[str, np.ndarray]:
    dataset = pydicom.dcmread(io.BytesIO(data))
    return place_regions(read_segmentation(read_header(data), 0, "d"), dataset, where, (5, *SIZE))


def test_areas_are_told_apart_and_half_full_counts() -> None:
    masks = np.random.default_rng(0).choice([0, 99, 100, 200], (4, *SIZE))
    regions = placed(segmentation(masks, [(0, 0, 12), (0, 0, 0), (0, 0, 3), (0, 0, 12)]), geometry())
    wanted = {"Region 1": {4: 0, 1: 2}, "Region 2": {0: 1, 4: 3}}
    assert set(regions) == set(wanted)
    for name, slices in wanted.items():
        for slot in range(5):
            inside = masks[slices[slot]] >= 100 if slot in slices else np.zeros(SIZE, bool)
            assert np.array_equal(regions[name][slot], inside)


@pytest.mark.parametrize("place", [(0, 0, 20), (0, 0, 1.6 - 3.2), (2, 0, 3), (0, -2, 3)])
def test_what_lies_beside_the_series_is_refused(place: tuple[float, float, float]) -> None:
    with pytest.raises(PictureError, match="lies on a slice"):
        placed(segmentation(np.full((1, *SIZE), 200), [place]), geometry())


def test_another_spacing_is_refused() -> None:
    with pytest.raises(PictureError, match="lies on a slice"):
        placed(segmentation(np.full((1, *SIZE), 200), [(0, 0, 3)]), geometry((1.0, 1.5)))
