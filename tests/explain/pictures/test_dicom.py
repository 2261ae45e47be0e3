"""DICOM: pixels against plain formulae and pydicom's own windowing, bounds, and that no patient leaves the file."""

from __future__ import annotations

import base64
import io
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_voi, apply_windowing, get_decoder
from pydicom.sequence import Sequence
from pydicom.uid import (
    HTJ2K,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    generate_uid,
)

from explain.errors import PictureError
from explain.pictures.decode import decode
from explain.pictures.dicom_frames import check_pixels, open_dataset, read_frame
from explain.pictures.picture import Picture, Placement
from tests.support.dicom_files import make_slice, write

FILES = Path(pydicom.__file__).parent / "data" / "test_files"

SECRETS = ("Doe^Jane", "PAT-4711", "19600229", "St. Nowhere", "Dr^Who")


def dataset(stored: np.ndarray, **elements: Any) -> Dataset:
    """A small CT of these stored values, with a patient in it."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["one"])
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.InstitutionName, ds.ReferringPhysicianName = SECRETS
    ds.Rows, ds.Columns = stored.shape[:2]
    ds.SamplesPerPixel = 3 if stored.ndim == 3 else 1
    ds.PhotometricInterpretation = "RGB" if stored.ndim == 3 else "MONOCHROME2"
    if stored.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = ds.BitsStored = 8 * stored.itemsize
    ds.HighBit = ds.BitsAllocated - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    ds.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    ds["PixelData"].VR = "OW"
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


def written(ds: Dataset, **options: Any) -> bytes:
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, ds, **{"enforce_file_format": True, **options})
    return stream.getvalue()


def read(ds: Dataset) -> Picture:
    picture = decode(written(ds), "scan.dcm")
    for array in (picture.pixels, picture.model_pixels):
        assert array.flags.c_contiguous and not array.flags.writeable
    assert picture.pixels.dtype == np.uint8 and picture.pixels.shape == (*picture.size, 3)
    assert_no_patient(repr((picture.name, picture.notes)))
    return picture


def assert_no_patient(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text


def refusal(data: bytes) -> str:
    with pytest.raises(PictureError) as caught:
        decode(data, "a.dcm")
    sentence = str(caught.value)
    assert sentence.startswith("“a.dcm”: ") and sentence.endswith(".") and "\n" not in sentence
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert_no_patient(sentence)
    return sentence


def ramp(dtype: str = "int16", low: int = -1024, high: int = 3000) -> np.ndarray:
    """An asymmetric picture, `(20, 30)`."""
    return np.linspace(low, high, 600).astype(dtype).reshape(20, 30)


# Grey ------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:overflow")  # in pydicom's sigmoid
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID", None])
@pytest.mark.parametrize(("centre", "width"), [(40, 400), (600.5, 1600), (-600, 1), (0, 2)])
def test_window_against_pydicom_and_the_standard(function: str | None, centre: float, width: float) -> None:
    ds = dataset(ramp(), WindowCenter=centre, WindowWidth=width, RescaleSlope=2, RescaleIntercept=-100)
    if function:
        ds.VOILUTFunction = function
    picture = read(ds)
    assert picture.model_pixels.dtype == np.float32 and picture.model_pixels.shape == (20, 30, 1)
    # pydicom spans the window over everything the stored bits could say; back to 0…1.
    low, high = -32768 * 2 - 100, 32767 * 2 - 100
    expected = (apply_windowing(ramp() * 2.0 - 100, ds) - low) / (high - low)
    assert np.abs(picture.model_pixels[:, :, 0] - expected).max() < 1e-5
    assert np.abs(picture.pixels[:, :, 0] - 255 * expected).max() <= 0.5 + 1e-2
    assert picture.notes == (f"Shown through the file's window: centre {centre:g}, width {width:g}.",)
    if function in ("LINEAR", None) and width > 1:
        for y, x in ((0, 0), (10, 3), (5, 17), (19, 29)):  # PS3.3 C.11.2.1.2.1, word for word
            value = ramp()[y, x] * 2.0 - 100
            if value <= centre - 0.5 - (width - 1) / 2:
                wanted = 0.0
            elif value > centre - 0.5 + (width - 1) / 2:
                wanted = 1.0
            else:
                wanted = (value - (centre - 0.5)) / (width - 1) + 0.5
            assert picture.model_pixels[y, x, 0] == pytest.approx(wanted, abs=1e-5)


def test_the_first_of_several_windows() -> None:
    several = read(dataset(ramp(), WindowCenter=[40, -600], WindowWidth=[400, 1500]))
    single = read(dataset(ramp(), WindowCenter=40, WindowWidth=400))
    assert np.array_equal(several.model_pixels, single.model_pixels)
    assert several.notes == ("Shown through the first of the file's 2 windows: centre 40, width 400.",)


@pytest.mark.parametrize(
    "window", [{}, {"WindowCenter": 40, "WindowWidth": 0}, {"WindowCenter": 40, "WindowWidth": -5}]
)
def test_without_a_usable_window_the_range_is_shown(window: dict[str, int]) -> None:
    picture = read(dataset(ramp(), RescaleSlope=0.5, RescaleIntercept=10, **window))
    values = ramp() * 0.5 + 10
    expected = (values - values.min()) / (values.max() - values.min())
    assert np.allclose(picture.model_pixels[:, :, 0], expected, atol=1e-6)
    assert picture.notes == ("The file names no window: its values from -502 to 1510 are shown.",)


def test_padding_does_not_stretch_the_range() -> None:
    stored = ramp(low=0, high=1000)
    stored[:3] = -2000
    picture = read(dataset(stored, PixelPaddingValue=-2000))
    inside = stored[3:]
    expected = (inside - inside.min()) / (inside.max() - inside.min())
    assert (picture.model_pixels[:3] == 0).all()
    assert np.allclose(picture.model_pixels[3:, :, 0], expected, atol=1e-6)


def test_monochrome1_is_inverted() -> None:
    plain = read(dataset(ramp(), WindowCenter=40, WindowWidth=400))
    inverted = read(dataset(ramp(), WindowCenter=40, WindowWidth=400, PhotometricInterpretation="MONOCHROME1"))
    assert np.allclose(inverted.model_pixels, 1 - plain.model_pixels)
    assert "MONOCHROME1" in inverted.notes[-1]
    eight = ramp("uint8", 0, 255)
    assert np.array_equal(read(dataset(eight, PhotometricInterpretation="MONOCHROME1")).pixels[:, :, 1], 255 - eight)


@pytest.mark.parametrize(("bits", "largest"), [(8, 255), (7, 127), (1, 1)])
def test_plain_grey_of_eight_bits_or_fewer_is_kept(bits: int, largest: int) -> None:
    stored = (np.arange(600) % (largest + 1)).astype(np.uint8).reshape(20, 30)
    picture = read(dataset(stored, BitsStored=bits, HighBit=bits - 1))
    assert np.array_equal(picture.pixels[:, :, 2], np.rint(stored * (255 / largest)))
    assert picture.model_pixels is picture.pixels and picture.notes == ()


def test_flat_grey() -> None:
    assert read(dataset(np.full((4, 5), 7, np.int16))).pixels.max() == 0


def lookup_table(entries: np.ndarray, first: int, bits: int) -> Sequence:
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = entries.tolist()
    item["LUTData"].VR = "US"
    return Sequence([item])


def test_voi_lookup_table() -> None:
    stored = ramp("uint16", 0, 400)
    entries = (np.sqrt(np.linspace(0, 1, 300)) * 4095).astype(np.uint16)
    ds = dataset(stored, VOILUTSequence=lookup_table(entries, 50, 12))
    picture = read(ds)
    expected = entries[np.clip(stored.astype(int) - 50, 0, 299)] / 4095
    assert np.allclose(picture.model_pixels[:, :, 0], expected, atol=1e-6)
    assert np.allclose(expected * 4095, apply_voi(stored, ds))
    assert "lookup table" in picture.notes[0]


def test_modality_lookup_table() -> None:
    stored = ramp("uint16", 0, 99)
    entries = (np.arange(100) ** 2).astype(np.uint16)
    picture = read(
        dataset(stored, ModalityLUTSequence=lookup_table(entries, 0, 16), WindowCenter=5000, WindowWidth=4000)
    )
    expected = np.clip((entries[stored] - 4999.5) / 3999 + 0.5, 0, 1)
    assert np.allclose(picture.model_pixels[:, :, 0], expected, atol=1e-5)


def test_window_and_rescale_of_an_enhanced_file() -> None:
    voi, transformation, group = Dataset(), Dataset(), Dataset()
    voi.WindowCenter, voi.WindowWidth = 40, 400
    transformation.RescaleSlope, transformation.RescaleIntercept = 1, -1024
    group.FrameVOILUTSequence = Sequence([voi])
    group.PixelValueTransformationSequence = Sequence([transformation])
    frames = np.stack([ramp(low=0, high=2000), ramp(low=500, high=600)])
    ds = dataset(frames[0], NumberOfFrames=2, PixelData=frames.tobytes())
    ds.SharedFunctionalGroupsSequence = Sequence([group])
    picture = read(ds)
    plain = read(dataset(frames[0], WindowCenter=40, WindowWidth=400, RescaleSlope=1, RescaleIntercept=-1024))
    assert np.array_equal(picture.model_pixels, plain.model_pixels)
    assert picture.notes[0] == "The file holds 2 frames; the first one is used."


def test_thirty_two_bits_and_floats() -> None:
    stored = np.linspace(0, 4e9, 600).astype(np.uint32).reshape(20, 30)
    assert np.allclose(read(dataset(stored)).model_pixels[:, :, 0], stored / stored.max(), atol=1e-6)
    floats = np.linspace(-2, 3, 600).astype(np.float32).reshape(20, 30)
    floats[0, 0] = np.nan
    ds = dataset(stored)
    del ds.PixelData
    ds.FloatPixelData = floats.tobytes()
    picture = read(ds)
    assert np.allclose(picture.model_pixels[:, 1:, 0], ((floats - floats[0, 1]) / (3 - floats[0, 1]))[:, 1:], atol=1e-5)
    assert picture.model_pixels[0, 0, 0] == 0


# Colour ----------------------------------------------------------------------------------------------------------


def test_rgb() -> None:
    stored = np.random.default_rng(0).integers(0, 256, (20, 31, 3)).astype(np.uint8)
    picture = read(dataset(stored))
    assert np.array_equal(picture.pixels, stored) and picture.notes == ()
    planar = dataset(stored, PlanarConfiguration=1, PixelData=stored.transpose(2, 0, 1).tobytes())
    assert np.array_equal(read(planar).pixels, stored)


def test_sixteen_bit_rgb() -> None:
    stored = np.random.default_rng(0).integers(0, 4096, (20, 30, 3)).astype(np.uint16)
    picture = read(dataset(stored, BitsStored=12, HighBit=11))
    assert picture.model_pixels.shape == (20, 30, 3)
    assert np.allclose(picture.model_pixels, stored / 4095, atol=1e-6)
    assert "12 bits" in picture.notes[0]


def test_ybr_full() -> None:
    rgb = np.random.default_rng(0).integers(30, 220, (8, 8, 3)).astype(np.uint8)
    ybr = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    picture = read(dataset(ybr, PhotometricInterpretation="YBR_FULL"))
    assert np.abs(picture.pixels.astype(int) - rgb).max() <= 3


@pytest.mark.parametrize("bits", [8, 16])
def test_palette(bits: int) -> None:
    stored = ramp("uint8", 0, 255)
    ds = dataset(stored, PhotometricInterpretation="PALETTE COLOR")
    tables = np.random.default_rng(0).integers(0, 1 << bits, (3, 256)).astype(f"uint{bits}")
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, bits])
        ds[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(ds, f"{name}PaletteColorLookupTableData", table.tobytes())
    expected = np.stack([table[stored] for table in tables], axis=2) >> (bits - 8)
    assert np.array_equal(read(ds).pixels, expected)


def test_a_rare_colour_space_is_refused() -> None:
    assert "colours" in refusal(written(dataset(ramp("uint8", 0, 9), PhotometricInterpretation="CMYK")))
    assert "colours" in refusal(written(dataset(ramp("uint8", 0, 9), PhotometricInterpretation="RGB")))


# Transfer syntaxes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_transfer_syntaxes_agree(syntax: str) -> None:
    ds = dataset(ramp(), WindowCenter=40, WindowWidth=400)
    plain = read(ds)
    ds.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        ds.PixelData = ramp().astype(">i2").tobytes()
    assert np.array_equal(read(ds).model_pixels, plain.model_pixels)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_without_preamble_and_meta(syntax: str) -> None:
    ds = dataset(ramp(), WindowCenter=40, WindowWidth=400, SOPClassUID=CTImageStorage)
    plain = read(ds)
    if syntax == ExplicitVRBigEndian:
        ds.PixelData = ramp().astype(">i2").tobytes()
    bare = written(
        ds,
        enforce_file_format=False,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        force_encoding=True,
    )
    bare = bare[144 + struct.unpack_from("<I", bare, 140)[0] :] if bare[128:132] == b"DICM" else bare
    bare = bare[bare.index(b"\0\x08\0\x16" if syntax == ExplicitVRBigEndian else b"\x08\0\x16\0") :]
    assert np.array_equal(decode(bare, "a").model_pixels, plain.model_pixels)


def test_rle_keeps_every_value() -> None:
    ds = dataset(ramp(), WindowCenter=40, WindowWidth=400)
    plain = read(ds)
    ds.compress(RLELossless, encoding_plugin="pydicom")
    assert np.array_equal(read(ds).model_pixels, plain.model_pixels)


def compressed(kind: str, stored: np.ndarray, syntax: str, **options: Any) -> Dataset:
    stream = io.BytesIO()
    Image.fromarray(stored).save(stream, kind, **options)
    ds = dataset(stored, PixelData=encapsulate([stream.getvalue()]))
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


def test_jpeg_and_jpeg_2000_inside() -> None:
    stored = ramp("uint8", 0, 255)
    assert (
        np.abs(
            read(compressed("JPEG", stored, JPEGBaseline8Bit, quality=100)).pixels[:, :, 0] - stored.astype(int)
        ).max()
        < 4
    )
    if get_decoder(JPEG2000Lossless).is_available:
        lossless = compressed("JPEG2000", stored, JPEG2000Lossless, irreversible=False, no_jp2=True)
        assert np.array_equal(read(lossless).pixels[:, :, 0], stored)


def _plane(*factors: int) -> np.ndarray:
    down, across = np.mgrid[:24, :32]
    return across * factors[0] + down * factors[1] + factors[2]


# Written by OpenJPH, which nothing here needs: 16-bit unsigned and signed without loss, 8-bit with some.
_UNSIGNED = (
    "/0//UQApQAAAAAAgAAAAGAAAAAAAAAAAAAAAIAAAABgAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCI"
    "kJCQkJCQkJCQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAKYAAf+TwAAmZfgFB3QAwAATQAASgEj+Awd0"
    "AO4BB3QAwAATwAARgCKL/AKCdAAKMwDAABVQAAVIjh07/qCCMgJ2AL7v+8AAAb62AMAAFbAABWDAwMDAwMDninpxgncA3t3d3fpy"
    "e/fJ7LgAwAAtaAAFqkaj0Wg0Go1Go9H4+f4Kenp6enECewBMkiRJkiT/cYEnv2Se/ZJ79knsvwD/2Q=="
)
_SIGNED = (
    "/0//UQApQAAAAAAgAAAAGAAAAAAAAAAAAAAAIAAAABgAAAAAAAAAAAABjwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCI"
    "kJCQkJCQkJCQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAMAAAf+TwAAlSQGHdADAABNAABMASP4DB3QA"
    "X/kDB3QAwAATwAATACKL/AKCdABO5wAiNADAABVQAAVYjh07/qCCMgJ2AH322WefwEIBvrYAwAAVsAAFpsDAwMDAwOeKenGCdwA5"
    "c3JycnJycv76DGB79jGB7LoAwAAtaAAF0QBGo9FoNBqNRqPR+Pn+Cnp6enpxAnsAi4vFYrFYLBaLxWKxWCz+/3GAhAe/YhAe/YhA"
    "e/YhAeyzAf/Z"
)
_LOSSY = (
    "/0//UQApQAAAAAAgAAAAGAAAAAAAAAAAAAAAIAAAABgAAAAAAAAAAAABBwEB/1AACAACAAAAIv9SAAwAAgABAAUEBEAA/1wAIyJ3"
    "GHbqdup2vG8AbwBu4mdMZ0xnZFADUANQRlfSV9JXYf9kABcAAU9wZW5KUEggVmVyIDAuMjYuMy7/kAAKAAAAAACcAAH/k8ABMFvw"
    "A4d0AMABNAASgJz7Awd0AKwBB3QAwAKmABIAGzbYtPkBArQA7QozAMAFoQAVIJwBQiEgkIMQ8ABPuAJZlwCqKukJPcyttgDAFqQB"
    "MPYcxfQ5jOlzGPtYSV/JX4Ari3oAAPuuupUAwBbEATAESBAJkASRAAnief4IffLv3vl2H1I5HgD+/3HAZQD/2Q=="
)


@pytest.mark.parametrize(
    ("codestream", "stored", "syntax", "off"),
    [
        (_UNSIGNED, _plane(100, 7, 0).astype(np.uint16), HTJ2KLossless, 0),
        (_UNSIGNED, _plane(100, 7, 0).astype(np.uint16), HTJ2KLosslessRPCL, 0),
        (_SIGNED, _plane(100, -70, -500).astype(np.int16), HTJ2KLossless, 0),
        (_LOSSY, (_plane(100, 7, 0) // 16).astype(np.uint8), HTJ2K, 1),
    ],
)
def test_high_throughput_jpeg_2000(codestream: str, stored: np.ndarray, syntax: str, off: int) -> None:
    ds = dataset(stored, PixelData=encapsulate([base64.b64decode(codestream)]))
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = syntax
    opened = open_dataset(written(ds))
    assert np.abs(read_frame(opened, 0, check_pixels(opened)).astype(int) - stored).max() <= off


def test_a_frame_larger_than_the_header_says_is_refused() -> None:
    ds = compressed("JPEG", np.zeros((64, 64), np.uint8), JPEGBaseline8Bit)
    ds.Rows = ds.Columns = 8
    assert "size" in refusal(written(ds))


def test_a_missing_decoder_is_named() -> None:
    wanted = {
        "MR_small_jpeg_ls_lossless.dcm": "python-gdcm",
        "SC_rgb_jpeg_gdcm.dcm": "python-gdcm",
        "JPGExtended.dcm": "uncompressed",
    }
    for name, package in wanted.items():
        data = (FILES / name).read_bytes()
        syntax = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True).file_meta.TransferSyntaxUID
        if set(get_decoder(syntax).available_plugins) <= {"pillow"}:
            sentence = refusal(data)
            assert package in sentence and syntax.name in sentence


def test_an_unknown_transfer_syntax_is_refused() -> None:
    ds = compressed("JPEG", ramp("uint8", 0, 255), "1.2.840.10008.1.2.4.100")
    assert "MPEG" in refusal(written(ds))


# Bounds and damage -----------------------------------------------------------------------------------------------


def test_absurd_sizes_are_refused_at_once() -> None:
    for elements, words in (
        ({"Rows": 65535, "Columns": 65535}, "65,535 × 65,535"),
        ({"Rows": 0, "Columns": 5}, "no pixels"),
        ({"Rows": 8000, "Columns": 8000}, "cut off"),
        ({"NumberOfFrames": 2_000_000_000}, "cut off"),
    ):
        data = written(dataset(ramp(), **elements))
        start = time.thread_time()
        assert words in refusal(data)
        assert time.thread_time() - start < 0.2


def test_a_compressed_file_of_absurd_size_is_refused_at_once() -> None:
    ds = compressed("JPEG", ramp("uint8", 0, 255), JPEGBaseline8Bit)
    ds.Rows = ds.Columns = 60_000
    assert "too large" in refusal(written(ds))


def test_a_deflate_bomb_is_refused_before_it_is_held_in_memory() -> None:
    ds = dataset(ramp())
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data = written(ds)
    start = 144 + struct.unpack_from("<I", data, 140)[0]
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    first, block = (stream.compress(bytes(1 << 20)) + stream.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    assert "unfolds" in refusal(data[:start] + first + block * 2000)


def test_no_picture_inside() -> None:
    for name in ("rtplan.dcm", "test-SR.dcm", "reportsi.dcm", "waveform_ecg.dcm"):
        assert "holds no picture" in refusal((FILES / name).read_bytes())
    ds = dataset(ramp())
    del ds.PixelData
    assert "holds no picture" in refusal(written(ds))


@pytest.mark.parametrize("missing", ["Rows", "Columns", "BitsAllocated", "PixelRepresentation"])
def test_a_missing_element(missing: str) -> None:
    ds = dataset(ramp())
    delattr(ds, missing)
    refusal(written(ds))


def test_nonsense_in_the_window_is_no_reason_to_fail() -> None:
    ds = dataset(ramp(), WindowCenter=[], WindowWidth=[])
    assert "no window" in read(ds).notes[0]


@pytest.mark.filterwarnings("ignore")
def test_pixels_cut_off() -> None:
    assert "cut off" in refusal((FILES / "MR_truncated.dcm").read_bytes())
    data = written(dataset(ramp()))
    whole = decode(data, "a")
    for length in np.linspace(1, len(data) - 1, 200).astype(int):
        try:
            assert np.array_equal(decode(data[:length], "a.dcm").pixels, whole.pixels)
        except PictureError as error:
            assert_no_patient(str(error))


def test_only_the_signature() -> None:
    refusal(bytes(128) + b"DICM")
    refusal(b"\x08\0\x05\0")
    refusal(bytes(128) + b"DICM" + np.random.default_rng(0).bytes(3000))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("compression", [None, "jpeg", "rle", "enhanced"])
def test_mutated_files_are_pictures_or_refusals(compression: str | None) -> None:
    ds = dataset(ramp("uint8", 0, 255), WindowCenter=100, WindowWidth=50, RescaleSlope=1, RescaleIntercept=3)
    if compression == "jpeg":
        ds = compressed("JPEG", ramp("uint8", 0, 255), JPEGBaseline8Bit)
    elif compression == "rle":
        ds.compress(RLELossless, encoding_plugin="pydicom")
    elif compression == "enhanced":
        ds.VOILUTSequence = lookup_table(np.arange(40, dtype=np.uint16), 0, 16)
        del ds.WindowCenter
    data = written(ds)
    pixels = len(data) - len(ds.PixelData)
    for seed in range(200):
        random = np.random.default_rng(seed)
        changed = bytearray(data)
        for _ in range(random.integers(1, 8)):
            # The preamble is ignored by every reader; most of the damage belongs where the structure is.
            low, high = (132, pixels) if random.random() < 0.8 else (pixels, len(data))
            changed[random.integers(low, high)] = random.integers(0, 256)
        if seed % 3 == 0:
            del changed[random.integers(1, len(changed)) :]
        start = time.thread_time()
        try:
            picture = decode(bytes(changed), "a")
        except PictureError as error:
            assert str(error).endswith(".")
            assert_no_patient(str(error))
        else:
            assert picture.pixels.dtype == np.uint8 and np.isfinite(picture.model_pixels).all()
            assert picture.model_pixels.min() >= 0 and picture.model_pixels.max() <= 255
        assert time.thread_time() - start < 1


# Files that ship with pydicom ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
def test_every_file_pydicom_ships_is_a_picture_or_a_refusal() -> None:
    read_names = set()
    for path in sorted(FILES.glob("*.dcm")):
        try:
            picture = decode(path.read_bytes(), path.name)
        except PictureError:
            continue
        read_names.add(path.name)
        assert np.isfinite(picture.model_pixels).all()
    assert {"CT_small.dcm", "MR_small.dcm", "examples_palette.dcm", "image_dfl.dcm", "badVR.dcm"} <= read_names
    assert len(read_names) >= 40


def test_ct_small() -> None:
    path = FILES / "CT_small.dcm"
    picture = decode(path.read_bytes(), "CT_small.dcm")
    stored = pydicom.dcmread(path).pixel_array.astype(float)
    assert np.allclose(picture.model_pixels[:, :, 0], (stored - stored.min()) / np.ptp(stored), atol=1e-6)
    assert picture.size == (128, 128) and "-896 to 1167" in picture.notes[0]


@pytest.mark.filterwarnings("ignore")
def test_the_same_scan_in_five_encodings() -> None:
    names = [
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_padded.dcm",
    ]
    first, *others = (decode((FILES / name).read_bytes(), name) for name in names)
    for other in others:
        assert np.array_equal(first.model_pixels, other.model_pixels) and first.notes == other.notes


def test_colours_agree_with_pydicom() -> None:
    for name in (
        "examples_rgb_color.dcm",
        "SC_rgb_rle.dcm",
        "SC_rgb_small_odd_big_endian.dcm",
        "SC_rgb_rle_2frame.dcm",
    ):
        expected = pydicom.dcmread(FILES / name).pixel_array
        picture = decode((FILES / name).read_bytes(), name)
        assert np.array_equal(picture.pixels, expected[0] if expected.ndim == 4 else expected), name


def test_no_patient_reaches_the_log(caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder) -> None:
    """What is wrong with a patient's element is pydicom's to say when it is read, so it must not be."""
    ds = dataset(ramp(), PatientName="Doe^Jane" + "x" * 80)
    ds.add_new(0x00101010, "AS", "PAT-4711 is not an age")
    data = written(ds, enforce_file_format=False)
    assert "PAT-4711" in caplog.text
    caplog.clear()
    recwarn.clear()
    decode(data, "a")
    refusal(data[:-30])
    assert_no_patient(caplog.text + " ".join(str(warning.message) for warning in recwarn))


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, None),
        ({"PixelSpacing": [0.5, 0.25]}, Placement((0.5, 0.25))),
        (
            {"PixelSpacing": [2, 2], "ImageOrientationPatient": [0, 1, 0, 0, 0, -1]},
            Placement((2.0, 2.0), ("H", "P", "F", "A")),
        ),
        ({"PatientOrientation": ["L", "F"], "Modality": "DX"}, Placement(None, ("H", "L", "F", "R"))),
        ({"Modality": "DX", "ImagerPixelSpacing": [0.1, 0.1]}, Placement((0.1, 0.1), at_detector=True)),
        ({"Modality": "CR", "PixelSpacing": [0.1, 0.1]}, Placement((0.1, 0.1), at_detector=True)),
        (
            {"Modality": "CR", "PixelSpacing": [0.1, 0.1], "PixelSpacingCalibrationType": "GEOMETRY"},
            Placement((0.1, 0.1)),
        ),
        ({"PixelSpacing": [0, 1], "PatientOrientation": ["X", "F"]}, None),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 1, 0]}, None),
    ],
)
def test_a_file_says_how_it_lies_in_the_patient(elements: dict[str, Any], expected: Placement | None) -> None:
    plain = {"Modality": "CT", **elements}
    assert decode(write(make_slice(np.zeros((4, 6), np.int16), **plain)), "x.dcm").placement == expected


def test_of_several_frames_nothing_is_said_of_how_they_lie() -> None:
    clip = make_slice(np.zeros((2, 4, 6), np.int16), PixelSpacing=[1, 1], NumberOfFrames=2)
    assert decode(write(clip), "x.dcm").placement is None
