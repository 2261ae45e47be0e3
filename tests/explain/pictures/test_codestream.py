"""JPEG 2000 and AVIF: what Pillow makes of them, how deep they are, and never filled up where they are cut off."""

from __future__ import annotations

import io
import struct
import time

import numpy as np
import pytest
from PIL import Image

from explain.errors import PictureError
from explain.pictures.decode import decode
from tests.support.image_files import coloured, refusal, saved


@pytest.mark.parametrize("options", [{}, {"no_jp2": True}, {"tile_size": (16, 16)}])
def test_lossless_jpeg_2000_keeps_every_pixel(options: dict[str, object]) -> None:
    picture = decode(saved(coloured(), "JPEG2000", irreversible=False, **options), "a")
    assert np.array_equal(picture.pixels, coloured()) and picture.notes == ()


@pytest.mark.parametrize("no_jp2", [False, True])
def test_deep_grey_of_jpeg_2000(no_jp2: bool) -> None:
    stored = np.linspace(0, 4095, 1200).astype(np.uint16).reshape(30, 40)
    data = saved(stored, "JPEG2000", no_jp2=no_jp2)
    picture = decode(data, "a")
    assert np.allclose(picture.model_pixels[:, :, 0], stored / 4095, atol=1e-6)
    assert "12 bits" in picture.notes[0]


def test_transparent_jpeg_2000_is_laid_on_white() -> None:
    rgba = np.dstack([coloured(), np.zeros((30, 40), np.uint8)])
    assert (decode(saved(rgba, "JPEG2000"), "a").pixels == 255).all()


@pytest.mark.parametrize("options", [{}, {"no_jp2": True}, {"tile_size": (16, 16)}])
def test_jpeg_2000_that_is_cut_off_is_never_filled_up(options: dict[str, object]) -> None:
    data = saved(coloured(), "JPEG2000", **options)
    whole = decode(data, "a").pixels
    refused = 0
    lengths = np.linspace(1, len(data) - 1, 150).astype(int)
    for length in lengths:
        try:
            picture = decode(data[:length], "a")
        except PictureError:
            refused += 1
        else:
            assert np.array_equal(picture.pixels, whole), length
    assert refused >= len(lengths) - 3


def test_jpeg_2000_with_a_huge_or_a_second_size() -> None:
    data = bytearray(saved(coloured(), "JPEG2000", no_jp2=True))
    huge = bytes(data[:8]) + struct.pack(">II", 30_000, 30_000) + bytes(data[16:])
    start = time.thread_time()
    assert "too large" in refusal(huge)
    boxed = bytearray(saved(coloured(), "JPEG2000"))
    at = boxed.index(b"ihdr") + 4
    boxed[at : at + 8] = struct.pack(">II", 3, 3)
    assert "damaged" in refusal(bytes(boxed))
    assert time.thread_time() - start < 0.5


@pytest.mark.parametrize("kind", ["JPEG2000", "AVIF"])
def test_mutated_files_are_pictures_or_refusals(kind: str) -> None:
    data = saved(coloured(), kind)
    random = np.random.default_rng(6)
    for _ in range(150):
        changed = bytearray(data)
        for _ in range(random.integers(1, 6)):
            changed[random.integers(0, min(len(changed), 400))] = random.integers(0, 256)
        try:
            picture = decode(bytes(changed), "a")
        except PictureError as error:
            assert str(error).startswith("“a”: ") and str(error).endswith(".")
        else:
            assert picture.pixels.shape[2] == 3


def test_avif_is_what_pillow_makes_of_it() -> None:
    data = saved(coloured(), "AVIF", quality=95)
    picture = decode(data, "a.jpg")
    assert np.array_equal(picture.pixels, np.asarray(Image.open(io.BytesIO(data))))
    assert picture.notes == ()
    for length in (20, 100, len(data) // 2, len(data) - 5):
        refusal(data[:length])


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_avif_is_turned_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.zeros((40, 60, 3), np.uint8)
    stored[:10, :10] = 255
    picture = decode(saved(stored, "AVIF", exif=exif, quality=95), "a")
    turns = {3: 2, 6: -1, 8: 1}[orientation]
    assert np.abs(picture.pixels.astype(int) - np.rot90(stored, turns)).mean() < 5
    assert "orientation" in picture.notes[0]


def test_an_avif_of_ten_bits_says_what_is_lost() -> None:
    data = bytearray(saved(coloured(), "AVIF"))
    at = data.index(b"av1C") + 6
    assert not data[at] & 0x40
    from explain.pictures.codestream import read_depth

    assert read_depth(bytes(data), "AVIF") == 8
    data[at] |= 0x40
    assert read_depth(bytes(data), "AVIF") == 10
    data[at] |= 0x20
    assert read_depth(bytes(data), "AVIF") == 12
