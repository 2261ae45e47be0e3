"""Bits that mean nothing, inverted presentation and slopes from which no picture comes, each worked out by hand."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from explain.pictures.decode import decode
from explain.pictures.picture import Picture


def scan(low: int = 0, high: int = 4095, kind: str = "u2") -> np.ndarray:
    """An asymmetric picture, `(20, 30)`."""
    return np.linspace(low, high, 600).astype(kind).reshape(20, 30)


def build(stored: np.ndarray, bits: int, syntax: str = "native", **elements: Any) -> Dataset:
    """A file of so many bits stored, whose encoder kept all bits there were."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "1.2.3"
    ds.Rows, ds.Columns = stored.shape[:2]
    ds.SamplesPerPixel = 1 if stored.ndim == 2 else 3
    ds.PhotometricInterpretation = "MONOCHROME2" if stored.ndim == 2 else "RGB"
    if stored.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = ds.BitsStored = 8 * stored.itemsize
    ds.HighBit = ds.BitsAllocated - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    ds["PixelData"] = pydicom.DataElement(0x7FE00010, "OW", stored.tobytes())
    if syntax == "RLE":
        ds.compress(RLELossless, stored, generate_instance_uid=False)
    elif syntax == "JPEG 2000":
        code = io.BytesIO()
        Image.fromarray(stored).save(code, "JPEG2000", no_jp2=True)
        ds.PixelData = encapsulate([code.getvalue()])
        ds["PixelData"].VR = "OB"
        ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    ds.BitsStored, ds.HighBit = bits, bits - 1
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


def read(ds: Dataset, rules: int = 2) -> Picture:
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, ds, enforce_file_format=True)
    return decode(stream.getvalue(), "a.dcm", rules=rules)


@pytest.mark.parametrize("syntax", ["native", "RLE", "JPEG 2000"])
@pytest.mark.parametrize("bits", [10, 12, 15])
@pytest.mark.parametrize("window", [True, False])
def test_an_overlay_above_the_stored_bits_shows_nothing(syntax: str, bits: int, window: bool) -> None:
    high = (1 << bits) - 1
    stored = scan(0, high)
    marked = stored.copy()
    marked[4:9, 3:20] |= 1 << bits
    more = {"WindowCenter": high / 2, "WindowWidth": high + 1} if window else {}
    picture = read(build(marked, bits, syntax, **more))
    clean = read(build(stored, bits, "native", **more))
    assert np.array_equal(picture.model_pixels, clean.model_pixels)
    if not window:
        assert np.allclose(picture.model_pixels[:, :, 0], stored / high, atol=1e-6)


@pytest.mark.parametrize("syntax", ["native", "RLE"])
def test_signed_numbers_keep_their_sign(syntax: str) -> None:
    stored = scan(-2048, 2047, "i2")
    marked = stored & 0x0FFF
    marked[::3] |= 0x1000
    marked[1::3] |= 0x7000
    more = {"WindowCenter": 0, "WindowWidth": 4096}
    picture = read(build(marked.astype(np.int16), 12, syntax, **more))
    assert np.array_equal(picture.model_pixels, read(build(stored, 16, **more)).model_pixels)


@pytest.mark.parametrize("syntax", ["native", "RLE"])
def test_colours_of_fewer_bits_than_their_room(syntax: str) -> None:
    stored = np.dstack([scan(0, 4095), scan(4095, 0), scan(100, 900)])
    picture = read(build(stored | 0xF000, 12, syntax))
    assert np.allclose(picture.model_pixels, stored / 4095, atol=1e-6)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("shape", [None, "IDENTITY", "INVERSE", "inverse "])
@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("window", [False, True])
def test_greys_are_inverted_once(photometric: str, shape: str | None, kind: str, window: bool) -> None:
    stored = scan(0, 255, kind)
    more: dict[str, Any] = {"PresentationLUTShape": shape} if shape else {}
    if window:
        more |= {"WindowCenter": 100, "WindowWidth": 50}
    picture = read(build(stored, 8 * stored.itemsize, PhotometricInterpretation=photometric, **more))
    plain = stored / 255 if not window else np.clip((stored - 99.5) / 49 + 0.5, 0, 1)
    inverted = photometric == "MONOCHROME1" or (shape or "").strip().upper() == "INVERSE"
    assert np.abs(picture.pixels[:, :, 0] / 255 - (1 - plain if inverted else plain)).max() <= 0.51 / 255
    assert sum("inverted" in note for note in picture.notes) == inverted


@pytest.mark.parametrize("slope", ["0", "", "0.0"])
@pytest.mark.parametrize("window", [True, False])
def test_a_slope_from_which_no_picture_comes_is_said_and_passed_over(slope: str, window: bool) -> None:
    stored = scan(0, 4000)
    more = {"WindowCenter": 2000, "WindowWidth": 4000} if window else {}
    picture = read(build(stored, 16, RescaleSlope=slope, RescaleIntercept="-7", **more))
    expected = np.clip((stored - 1999.5) / 3999 + 0.5, 0, 1) if window else stored / 4000
    assert np.abs(picture.model_pixels[:, :, 0] - expected).max() < 1e-5
    assert "its stored values are used" in picture.notes[0]


def test_an_intercept_alone_and_a_plain_file() -> None:
    stored = scan(0, 4000)
    assert "its stored values are used" in read(build(stored, 16, RescaleIntercept="-1024")).notes[0]
    assert len(read(build(stored, 16)).notes) == len(read(build(stored, 16, RescaleSlope="2")).notes) == 1


@pytest.mark.parametrize("centre", [-5000, 90_000])
def test_a_window_that_leaves_nothing_to_see_is_said(centre: int) -> None:
    picture = read(build(scan(), 16, WindowCenter=centre, WindowWidth=100))
    assert "0 to 4095, do not fit that window" in picture.notes[-1]


def test_one_value_that_takes_up_the_range_is_warned_of() -> None:
    stored = scan()
    stored[0, 0] = 65535
    assert "The single value 65535" in read(build(stored, 16)).notes[-1]


def test_the_first_rules_are_kept_for_old_manifests() -> None:
    stored = scan(0, 4000)
    inverse = {"PresentationLUTShape": "INVERSE", "WindowCenter": 2000, "WindowWidth": 4000}
    assert read(build(stored, 16, **inverse), rules=1).model_pixels[0, 0, 0] < 0.01
    flat = read(build(stored, 16, RescaleSlope="0", WindowCenter=2000, WindowWidth=4000), rules=1)
    assert flat.model_pixels.max() < 0.01
    marked = stored | 0x8000
    assert "36768" in read(build(marked, 12, "JPEG 2000"), rules=1).notes[0]
