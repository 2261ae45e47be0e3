"""What hospitals export, situation by situation, on real files; what no real file has is made.

Others of the kind: order, gaps, tilt and frames are in `test_series.py`, orders of axes in `test_nifti.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_rescale, apply_windowing
from pydicom.sequence import Sequence

from explain.errors import PictureError
from explain.volumes import reading
from explain.volumes.reading import read_volumes
from explain.volumes.volume import Volume
from tests.explain.volumes.test_reading import FILES, pack
from tests.support.dicom_files import make_series, ramp, write
from tests.support.scans import find_scans


def list_head() -> list[Path]:
    """The files of a real head CT of 28 slices, at 1.08, 4 and 7 mm from each other."""
    return sorted(path for path in (find_scans() / "head_ct" / "GE").iterdir() if path.suffix == ".dcm")


def open_only(*files: Path | bytes) -> Volume:
    found = read_volumes(files)
    assert len(found.series) == 1
    return found.series[0].open()


@pytest.fixture(scope="module")
def head() -> Volume:
    return open_only(*list_head())


def find_slice(scan: Volume, ds: Dataset) -> int:
    assert scan.geometry is not None
    return int(np.abs(scan.geometry.origins - np.array(ds.ImagePositionPatient, float)).sum(1).argmin())


@pytest.mark.slow
def test_the_files_window_is_what_pydicom_shows(head: Volume) -> None:
    ds = pydicom.dcmread(list_head()[11])
    at = find_slice(head, ds)
    stored = ds.pixel_array
    expected = apply_windowing(apply_rescale(stored, ds), ds)
    expected = (expected - expected.min()) / (expected.max() - expected.min())
    shown = head.slice(at).model_pixels[:, :, 0]
    kept = stored != ds.PixelPaddingValue
    assert np.abs(shown - expected)[kept].max() < 1e-3 and kept.any()
    assert head.get_value((at, 256, 256)) == apply_rescale(stored, ds)[256, 256]


@pytest.mark.slow
def test_padding_is_black_and_out_of_the_range(head: Volume) -> None:
    ds = pydicom.dcmread(list_head()[11])
    at, gone = find_slice(head, ds), ds.pixel_array == ds.PixelPaddingValue
    assert gone.any() and not head.slice(at, window="Bone").pixels[gone].any()
    assert head.get_value((at, *map(int, np.argwhere(gone)[0]))) is None
    padding = float(ds.PixelPaddingValue * ds.RescaleSlope + ds.RescaleIntercept)
    window: Any = head.windows["Range of the series"]
    assert padding < window.centre - window.width / 2 < 0


@pytest.mark.slow
def test_a_shuffled_and_renamed_zip_is_the_same_series(head: Volume) -> None:
    files = [path.read_bytes() for path in list_head()]
    order = np.random.default_rng(0).permutation(len(files))
    other = open_only(pack([files[at] for at in order], "{}/IMG".format))
    assert other.digest == head.digest and np.array_equal(other.stored, head.stored)
    for at in (0, 13, 27):
        one, same = head.slice(at), other.slice(at)
        assert one.digest == same.digest and np.array_equal(one.model_pixels, same.model_pixels)


@pytest.mark.slow
def test_a_damaged_file_costs_its_slice_only(head: Volume) -> None:
    files = [path.read_bytes() for path in list_head()]
    files[5] = files[5][: len(files[5]) // 2]
    files[9] = b"DICM" + files[9][500:]
    found = read_volumes(files)
    scan = found.series[0].open()
    assert "cut off" in " ".join(scan.notes) and len(scan.list_there()) == 26
    there = scan.list_there()
    assert scan.geometry is not None and head.geometry is not None
    for at in (there[0], there[-1]):
        same = int(np.abs(head.geometry.origins - scan.geometry.origins[at]).sum(1).argmin())
        assert np.array_equal(scan.stored[at], head.stored[same])


@pytest.mark.slow
def test_bounds_hold_for_real_files(monkeypatch: pytest.MonkeyPatch) -> None:
    files = list_head()
    monkeypatch.setattr(reading, "MOST_BYTES", 3_000_000)
    with pytest.raises(PictureError, match="The files hold more than"):
        read_volumes(files)
    with pytest.raises(PictureError, match="The files hold more than"):
        read_volumes([pack([path.read_bytes() for path in files[:8]])])
    monkeypatch.setattr(reading, "MOST_FILES", 20)
    with pytest.raises(PictureError, match="There are more than"):
        read_volumes([files[0].parent])


@pytest.mark.slow
def test_a_zip_that_holds_another_is_said() -> None:
    inner = pack([list_head()[0].read_bytes()])
    found = read_volumes([pack([inner, list_head()[1].read_bytes()])])
    assert "zip inside of another" in found.problems[0] and len(found.pictures) == 1


@pytest.mark.parametrize("name", ["CR1/6154", "CR2/6247", "CR3/6278"])
def test_white_to_black_is_turned_after_the_window(name: str) -> None:
    path = FILES / "dicomdirtests" / "77654033" / name
    ds = pydicom.dcmread(path)
    assert ds.PhotometricInterpretation == "MONOCHROME1"
    (single,) = read_volumes([path.read_bytes()]).pictures
    shown, stored = single.open().model_pixels[:, :, 0], ds.pixel_array
    order = np.argsort(stored, axis=None, kind="stable")
    assert np.diff(shown.ravel()[order].astype(float)).max() <= 1e-6 and np.ptp(shown) > 0.1
    assert single.modality == "CR"


def test_outlines_alone_are_no_picture() -> None:
    found = read_volumes([(FILES / "liver_1frame.dcm").read_bytes()])
    assert not found.series and not found.pictures and "belong to a series that is not among" in found.problems[0]


@pytest.mark.slow
def test_colours_are_pictures_of_their_own() -> None:
    found = read_volumes([find_scans() / "dicom2nifti" / "generic" / "rgb" / "001"])
    assert not found.series and len(found.pictures) >= 1
    assert all(one.open().pixels.std(axis=2).max() > 0 for one in found.pictures[:1])


def test_a_modality_table_makes_the_values() -> None:
    """Made: no real file at hand has one. Its entries are the values, whatever slope stands beside it."""
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [480, 0, 16], [int(3 * at) for at in range(480)]
    table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
    numbers = ramp(6, 8, 10)
    files = [write(ds) for ds in make_series(numbers.astype(np.uint16), ModalityLUTSequence=Sequence([table]))]
    scan = open_only(*files)
    assert scan.get_value((2, 3, 4)) == 3 * float(numbers[2, 3, 4]) and scan.unit == ""
