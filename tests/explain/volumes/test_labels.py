"""Labels of a scan: found on it in whatever order their voxels are stored, against the places in millimetres."""

from __future__ import annotations

import gzip
from itertools import permutations, product

import numpy as np
import pytest

from explain.volumes import labels
from explain.volumes.labels import Labels, find_turn, give_affine, read_areas
from explain.volumes.nifti import read_header
from explain.volumes.planes import View
from explain.volumes.reading import read_volumes
from explain.volumes.volume import Volume
from tests.explain.volumes.test_nifti import STANDING, nifti, numbers
from tests.explain.volumes.test_reading import pack
from tests.support.dicom_files import find_secrets, make_series, ramp, write
from tests.support.scans import find_scans

LABELS = 1002


def mark(shape: tuple[int, ...]) -> np.ndarray:
    areas = np.zeros(shape, np.int16)
    areas[1, 2:4, 3] = 2
    areas[0, 1, 1] = 7
    return areas


def turn(
    areas: np.ndarray, rows: np.ndarray, axes: tuple[int, ...], flips: tuple[bool, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """The same areas `(d, h, w)` stored in another order, with the transform (3, 4) that still says where they lie."""
    affine = np.eye(4)
    affine[:3] = rows
    own = affine[:, [2, 1, 0, 3]]  # by slice, row and column
    stored = areas.transpose(axes)
    moved = own[:, [*axes, 3]].copy()
    for axis, flip in enumerate(flips):
        if flip:
            stored = np.flip(stored, axis)
            moved[:, 3] += moved[:, axis] * (stored.shape[axis] - 1)
            moved[:, axis] *= -1
    return np.ascontiguousarray(stored), moved[:3, [2, 1, 0, 3]]


def opened(*files: bytes) -> Volume:
    found = read_volumes(files)
    assert len(found.series) == 1 and not found.problems and not find_secrets(found)
    return found.series[0].open()


def test_labels_lie_on_their_scan_in_all_48_orders() -> None:
    areas = mark((4, 5, 6))
    scan = nifti(numbers(4, 5, 6), rows=STANDING, codes=(0, 1))
    header = read_header(scan)
    for axes, flips in product(permutations(range(3)), product((False, True), repeat=3)):
        stored, rows = turn(areas, STANDING, axes, flips)
        data = nifti(stored, rows=rows, codes=(0, 1), intent=LABELS)
        view = find_turn(read_header(data), give_affine(header), (4, 5, 6))
        assert view is not None
        found = read_areas(data, Labels(0, read_header(data), view))
        assert list(found) == ["Area 2", "Area 7"]
        assert all(np.array_equal(found[f"Area {number}"], areas == number) for number in (2, 7))
    stored, rows = turn(areas, STANDING, (2, 0, 1), (True, False, True))
    volume = opened(scan, nifti(stored, rows=rows, codes=(0, 1), intent=LABELS))
    assert np.array_equal(volume.regions["Area 2"], areas == 2)
    assert "Outlined in another file: Area 2, Area 7." in volume.notes
    assert volume.digest == opened(scan).digest


def test_labels_of_a_dicom_series_as_a_converter_writes_them() -> None:
    """Its rows go from the back to the front: voxels are found by millimetres, not by their numbers."""
    areas = mark((6, 8, 10))
    rows = np.array([[-0.5, 0, 0, 0], [0, -0.5, 0, 0], [0, 0, 5.0, 0]])  # the same places, towards right and front
    stored, moved = turn(areas, rows, (0, 1, 2), (False, True, False))
    files = [write(ds) for ds in make_series(ramp(6))]
    volume = opened(pack(files), nifti(stored, rows=moved, codes=(0, 1), intent=LABELS))
    assert np.array_equal(volume.regions["Area 2"], areas == 2) and volume.name == "CT, 6 slices"
    assert volume.cut_region("Area 2", 1).sum() == 2


@pytest.mark.parametrize(
    "change", [{"codes": (0, 0)}, {"rows": STANDING + np.array([[0, 0, 0, 5.0]] * 3)}, {"rows": STANDING * 2}]
)
def test_labels_of_another_grid_are_a_volume_of_their_own(change: dict[str, object]) -> None:
    scan = nifti(numbers(4, 5, 6), rows=STANDING, codes=(0, 1))
    given = {"rows": STANDING, "codes": (0, 1), "intent": LABELS, **change}
    found = read_volumes([scan, nifti(mark((4, 5, 6)), **given)])
    assert len(found.series) == 2 and not found.series[0].open().regions
    assert sum(labels.ALONE in series.notes for series in found.series) == 1


def test_of_many_areas_the_largest_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MOST_AREAS", 1)
    data = nifti(mark((4, 5, 6)), intent=LABELS)
    assert list(read_areas(data, Labels(0, read_header(data), View()))) == ["Area 2"]


def test_what_is_no_label_is_said_and_the_scan_is_opened() -> None:
    scan = nifti(numbers(4, 5, 6), rows=STANDING, codes=(0, 1))
    for data, words in (
        (nifti(np.zeros((4, 5, 6), np.int16), rows=STANDING, codes=(0, 1), intent=LABELS), "outline nothing"),
        (nifti(mark((4, 5, 6)), rows=STANDING, codes=(0, 1), intent=LABELS, scale=(2.0, 0.0)), "no whole numbers"),
        (nifti(mark((4, 5, 6)), rows=STANDING, codes=(0, 1), intent=LABELS)[:-9], "cut off"),
    ):
        volume = opened(scan, data)
        assert not volume.regions and words in volume.notes[-1]


def test_labels_on_a_real_head() -> None:
    """One head in two orders of its voxels: a part that is marked in the one lies at the same place of the other."""
    place = find_scans() / "orientations"
    scan, other = ((place / f"{name}.nii.gz").read_bytes() for name in ("RAS", "PIL"))
    data = bytearray(gzip.decompress(other))
    header = read_header(bytes(data))
    values = np.frombuffer(bytes(data), header.type, offset=header.offset, count=int(np.prod(header.shape)))
    bright = (values > np.percentile(values, 90)).astype(header.type)
    data[header.offset : header.offset + bright.nbytes] = bright.tobytes()
    data[68:70] = np.array(LABELS, header.type[0] + "i2").tobytes()
    data[112:120] = bytes(8)
    volume = opened(scan, bytes(data))
    expected = volume.stored > np.percentile(values, 90)
    assert np.array_equal(volume.regions["Area 1"], expected)
