"""TIFF files of deep colour and of several bands, held against the numbers they were written from."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from explain.errors import PictureError
from explain.pictures.decode import decode
from explain.pictures.geometry import Preprocessing, prepare
from tests.support.image_files import refusal
from tests.support.tiff_files import DEFLATE, LZW, PACKBITS, PLAIN, tiff


def numbers(bands: int, largest: int, kind: str = "u2", height: int = 20, width: int = 33) -> np.ndarray:
    """Asymmetric, with all depths up to the largest, which more than one in a thousand comes near to."""
    random = np.random.default_rng(bands)
    values = random.integers(0, largest + 1, (height, width, bands))
    values[0, 0], values[-1, -3:] = 0, largest
    return values.astype(kind)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("compression", "predictor"), [(PLAIN, 1), (DEFLATE, 1), (DEFLATE, 2), (LZW, 1), (LZW, 2), (PACKBITS, 1)]
)
@pytest.mark.parametrize("shape", [{}, {"rows": 6}, {"tile": 16}, {"big": True}])
def test_deep_colour_however_it_lies_in_the_file(
    order: str, apart: bool, compression: int, predictor: int, shape: dict[str, int]
) -> None:
    stored = numbers(3, 65535)
    data = tiff(stored, 2, order, apart, compression, predictor, **shape)  # type: ignore[arg-type]
    picture = decode(data, "a.tif")
    assert picture.model_pixels.dtype == np.float32
    assert np.array_equal(picture.model_pixels, stored.astype(np.float32) / np.float32(65535))
    assert np.abs(picture.pixels - stored / 257).max() <= 0.501
    assert picture.notes == ("16-bit colour of which 16 bits are used: white is 65535.",)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_deep_colour_is_scaled_by_the_bits_in_use(bits: int, apart: bool) -> None:
    stored = numbers(3, (1 << bits) - 1)
    picture = decode(tiff(stored, 2, apart=apart), "a.tif")
    assert np.abs(picture.model_pixels - stored / ((1 << bits) - 1)).max() < 1e-6
    assert f"of which {bits} bits are used" in picture.notes[0]


@pytest.mark.parametrize("kind", ["u2", "i2", "u4", "i4", "f4", "f8", "f2"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_grey_that_is_said_to_lie_apart(kind: str, order: str) -> None:
    stored = numbers(1, 1000, kind)
    picture = decode(tiff(stored, 1, order, apart=True), "a.tif")
    white = 1023 if kind[0] != "f" else 1000
    assert np.abs(picture.model_pixels - stored.astype(float) / white).max() < 1e-6


@pytest.mark.parametrize("predictor", [1, 3])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("apart", [False, True])
def test_float_colour(predictor: int, order: str, apart: bool) -> None:
    stored = np.random.default_rng(1).random((9, 13, 3)).astype(np.float32)
    data = tiff(stored, 2, order, apart, DEFLATE, predictor)
    picture = decode(data, "a.tif")
    assert np.array_equal(picture.model_pixels, stored)
    assert "used as it is" in picture.notes[0]
    wide = decode(tiff(stored * 500 + 20, 2), "a.tif")
    low, high = stored.min(), stored.max()
    assert np.allclose(wide.model_pixels, (stored - low) / (high - low), atol=1e-5)
    assert wide.notes[0].startswith("Colour values are scaled from")


def test_large_unsigned_numbers_do_not_turn_negative() -> None:
    stored = np.array([[[0], [1 << 31], [(1 << 32) - 1]]], np.uint32)
    assert np.allclose(decode(tiff(stored, 1), "a.tif").model_pixels.ravel(), [0, 0.5, 1], atol=1e-6)


def test_white_is_zero() -> None:
    stored = numbers(1, 65535)
    for order in "<>":
        assert np.allclose(decode(tiff(stored, 0, order), "a.tif").model_pixels, 1 - stored / 65535, atol=1e-6)


def test_three_bands_of_grey_are_shown_as_colour_and_said() -> None:
    stored = numbers(3, 65535)
    picture = decode(tiff(stored, 1), "a.tif")
    assert np.allclose(picture.model_pixels, stored / 65535, atol=1e-6)
    assert "does not name" in picture.notes[0]


@pytest.mark.parametrize("bands", [2, 4, 5, 6])
@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("photometric", [1, 2])
@pytest.mark.parametrize("apart", [False, True])
def test_all_bands_are_kept_for_models_that_take_them(bands: int, kind: str, photometric: int, apart: bool) -> None:
    if photometric == 2 and bands == 2:
        return
    largest = np.iinfo(kind).max
    stored = numbers(bands, int(largest), kind)
    extra = {338: ("H", (0,) * (bands - (3 if photometric == 2 else 1)))}
    picture = decode(tiff(stored, photometric, apart=apart, more=extra), "a.tif")
    assert picture.model_pixels.shape == stored.shape
    assert np.allclose(picture.model_pixels / (255 if kind == "u1" else 1), stored / largest, atol=1e-6)
    first = stored[:, :, :3] if bands > 2 else np.repeat(stored[:, :, :1], 3, axis=2)
    assert np.abs(picture.pixels - first * (255 / largest)).max() <= 0.501
    assert f"{bands} bands" in picture.notes[0]
    for channels, chosen in ((3, first), (1, stored[:, :, :1])):
        side = Preprocessing(
            input_size=(20, 33), fit="squash", channels=channels, mean=(0.0,) * channels, std=(1.0,) * channels
        )
        given = prepare(picture, side).tensor[0].numpy().transpose(1, 2, 0)
        if channels == 3 or bands == 2:
            assert np.allclose(given, chosen / largest, atol=1e-5)


def test_too_many_bands_are_counted() -> None:
    assert "13 bands" in refusal(tiff(numbers(13, 255, "u1"), 1), "a.png")
    assert "4000 bands" in refusal(tiff(numbers(4000, 9, "u1", 2, 2), 1), "a.png")


@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("premultiplied", [False, True])
def test_a_named_alpha_is_laid_on_white(kind: str, premultiplied: bool) -> None:
    largest = int(np.iinfo(kind).max)
    stored = numbers(4, largest, kind)
    if premultiplied:
        stored[:, :, :3] = np.minimum(stored[:, :, :3], stored[:, :, 3:])
    data = tiff(stored, 2, more={338: ("H", (1 if premultiplied else 2,))})
    picture = decode(data, "a.tif")
    alpha = stored[:, :, 3:] / largest
    colour = stored[:, :, :3] / largest
    expected = (colour if premultiplied else colour * alpha) + 1 - alpha
    # Pillow divides the colours of 8 bits by their alpha first, in whole numbers.
    close = 1e-5 if kind == "u2" else 1 / 255 + 1e-6
    assert np.abs(picture.model_pixels / (255 if kind == "u1" else 1) - expected).max() <= close
    assert "laid on white" in picture.notes[-1]


def test_orientation_and_further_pictures_are_said() -> None:
    stored = numbers(3, 4095, height=4, width=6)
    picture = decode(tiff(stored, 2, more={274: ("H", (6,))}), "a.tif")
    assert np.allclose(picture.model_pixels, np.rot90(stored, -1) / 4095, atol=1e-6)
    assert "turned clockwise" in picture.notes[0]


# Cells in which nothing was measured ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number", "kind"),
    [
        (b"-9999\0", -9999, "f4"),
        (b"-9999 \0", -9999, "f8"),
        (b"-3.4028234663852886e+38\0", float(np.finfo("f4").min), "f4"),
        (b"-3.40282e+38\0", float(np.finfo("f4").min), "f4"),
        (b"-32768\0", -32768, "i2"),
        (b"nan\0", float("nan"), "f4"),
    ],
)
def test_empty_cells_are_left_out_of_the_scale(text: bytes, number: float, kind: str) -> None:
    land = np.linspace(-200, 290, 600).reshape(20, 30, 1).astype(kind)
    stored = land.copy()
    stored[:5, :6] = number
    picture = decode(tiff(stored, 1, more={42113: ("s", text)}), "a.tif")
    low, high = float(land[5:].min()), float(land.max())
    expected = np.clip((land.astype(float) - min(low, float(land[0, 6:].min()))) / (high - float(land[0, 6, 0])), 0, 1)
    measured = np.ones((20, 30), bool)
    measured[:5, :6] = False
    assert np.abs(picture.model_pixels - expected)[measured].max() < 1e-5
    assert (picture.model_pixels[:5, :6] == 0).all()
    assert ("30 empty cells (5.0 %" in " ".join(picture.notes)) == (text != b"nan\0")
    assert all("takes up" not in note for note in picture.notes)


def test_empty_cells_do_not_count_among_the_bits_in_use() -> None:
    stored = numbers(1, 4095)
    stored[:3] = 65535
    picture = decode(tiff(stored, 1, more={42113: ("s", b"65535\0")}), "a.tif")
    assert np.allclose(picture.model_pixels[3:], stored[3:] / 4095, atol=1e-6)
    assert (picture.model_pixels[:3] == 0).all()
    assert "12 bits" in picture.notes[0] and "99 empty cells" in picture.notes[1]
    assert "empty cells" in refusal(tiff(np.full((4, 4, 1), 7, np.float32), 1, more={42113: ("s", b"7\0")}))


@pytest.mark.parametrize("stray", [-9999.0, 1e9])
def test_one_value_that_takes_up_the_range_is_warned_of(stray: float) -> None:
    stored = np.linspace(200, 290, 600).reshape(20, 30, 1).astype(np.float32)
    assert len(decode(tiff(stored, 1), "a.tif").notes) == 1
    stored[:2, :2] = stray
    notes = decode(tiff(stored, 1), "a.tif").notes
    assert f"The single value {stray:g} (0.67 % of the picture)" in notes[1]


def test_tiles_that_gdal_left_out_are_empty() -> None:
    stored = numbers(1, 4095, height=16, width=32)
    whole = tiff(stored, 1, tile=16)
    sparse = tiff(stored, 1, tile=16, more={324: ("I", (0, 8 + 512)), 325: ("I", (0, 512)), 42113: ("s", b"65535\0")})
    assert "empty" not in " ".join(decode(whole, "a.tif").notes)
    picture = decode(sparse, "a.tif")
    assert (picture.model_pixels[:, :16] == 0).all()
    assert np.allclose(picture.model_pixels[:, 16:], stored[:, 16:] / 4095, atol=1e-6)


# What is refused --------------------------------------------------------------------------------------------------


def test_what_cannot_be_read_is_named() -> None:
    stored = numbers(3, 65535)
    for compression, words in ((33003, "JPEG 2000"), (34887, "LERC"), (7, "JPEG"), (12345, "kind 12345")):
        sentence = refusal(tiff(stored, 2, more={259: ("H", (compression,))}), "a.png")
        assert "3 bands of 16 bits" in sentence and words in sentence and "damaged" not in sentence
    assert "complex" in refusal(tiff(stored.view("u2"), 2, more={339: ("H", (6,) * 3)}))
    assert "several kinds" in refusal(tiff(stored, 2, more={339: ("H", (1, 1, 2))}))
    mixed = refusal(tiff(stored, 2, more={258: ("H", (8, 8, 16))}))
    assert "3 bands" in mixed and "8 and 16-bit" in mixed


def test_huge_headers_are_refused_before_anything_is_unpacked() -> None:
    stored = numbers(3, 65535, height=2, width=2)
    start = time.thread_time()
    for more in (
        {256: ("I", (30_000,)), 257: ("I", (30_000,))},
        {256: ("I", (8000,)), 257: ("I", (8000,)), 258: ("H", (64,) * 3), 339: ("H", (3,) * 3)},
        {322: ("I", (1 << 31,)), 323: ("I", (1 << 31,)), 324: ("I", (8,)), 325: ("I", (24,))},
        {256: ("I", (8000,)), 257: ("I", (8000,)), 322: ("I", (1,)), 323: ("I", (1,)), 324: ("I", (8,) * 99)},
        {257: ("I", (5000,)), 278: ("I", (1,)), 273: ("I", (0,) * 5000), 279: ("I", (60_000,) * 5000)},
        {277: ("H", (65535,))},
        {256: ("I", (0,))},
    ):
        refusal(tiff(stored, 2, compression=DEFLATE, more=more))  # type: ignore[arg-type]
    assert time.thread_time() - start < 1


@pytest.mark.parametrize("compression", [PLAIN, DEFLATE, LZW, PACKBITS])
@pytest.mark.parametrize("apart", [False, True])
def test_a_file_that_is_cut_off_is_never_filled_up(compression: int, apart: bool) -> None:
    data = tiff(numbers(3, 65535), 2, apart=apart, compression=compression, rows=5)
    whole = decode(data, "a").pixels
    # The directory is at the end: without its last bytes all that is missing is what says nothing.
    for length in np.linspace(1, len(data) - 1, 120).astype(int):
        try:
            picture = decode(data[:length], "a")
        except PictureError:
            continue
        assert np.array_equal(picture.pixels, whole), length


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("compression", [PLAIN, DEFLATE, LZW])
def test_mutated_files_are_pictures_or_refusals(compression: int) -> None:
    data = tiff(numbers(3, 65535, height=6, width=7), 2, apart=True, compression=compression, rows=3)
    random = np.random.default_rng(4)
    for _ in range(400):
        changed = bytearray(data)
        for _ in range(random.integers(1, 6)):
            changed[random.integers(0, len(changed))] = random.integers(0, 256)
        try:
            picture = decode(bytes(changed), "a")
        except PictureError as error:
            assert str(error).startswith("“a”: ") and str(error).endswith(".")
        else:
            assert picture.pixels.dtype == np.uint8 and picture.pixels.shape[2] == 3


def test_big_endian_bigtiff_of_eight_bits() -> None:
    stored = numbers(3, 255, "u1")
    assert np.array_equal(decode(tiff(stored, 2, ">", big=True), "a").pixels, stored)


def test_what_pillow_reads_it_goes_on_reading() -> None:
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "YCbCr", "LAB"):
        image = Image.fromarray(numbers(3, 255, "u1")).convert("RGB" if mode == "LAB" else mode)
        stream = io.BytesIO()
        image.save(stream, "TIFF")
        assert decode(stream.getvalue(), "a").model_pixels.dtype == np.uint8


def test_pictures_of_bands_are_not_painted_over() -> None:
    from explain.pictures.painting import paint_over, swap_region

    bands = decode(tiff(numbers(4, 255, "u1"), 1, more={338: ("H", (0, 0, 0))}), "a.tif")
    deep = decode(tiff(numbers(3, 65535), 2), "a.tif")
    region = (2, 2, 9, 9)
    with pytest.raises(PictureError, match="4 bands"):
        paint_over(bands, region)
    with pytest.raises(PictureError, match="4 bands"):
        swap_region(bands, region, deep)
    assert swap_region(deep, region, bands).model_pixels.shape == deep.model_pixels.shape
