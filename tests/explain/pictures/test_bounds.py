"""Bounds: bombs are refused before they unfold."""

from __future__ import annotations

import struct
import time
import zlib

from PIL import Image

from explain.pictures.bounds import MAX_BYTES, MAX_PIXELS
from explain.pictures.decode import decode
from tests.support.image_files import PNG, chunk, png, refusal, saved


def quick_refusal(data: bytes, seconds: float = 0.2) -> str:
    start = time.thread_time()
    sentence = refusal(data)
    assert time.thread_time() - start < seconds
    return sentence


def test_png_bomb_is_refused_before_it_unfolds() -> None:
    stream = zlib.compressobj(9)
    # A full flush makes every later block of a million zeros the same bytes.
    first, block = (stream.compress(bytes(1 << 20)) + stream.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    body = first + block * 899
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0))
    assert "30,000 × 30,000" in quick_refusal(PNG + header + chunk(b"IDAT", body) + chunk(b"IEND", b""))


def test_bombs_of_other_formats() -> None:
    small = Image.new("L", (8, 8))
    bmp = bytearray(saved(small, "BMP"))
    bmp[18:26] = struct.pack("<ii", 30_000, 30_000)
    gif = bytearray(saved(small, "GIF"))
    gif[6:10] = struct.pack("<HH", 60_000, 60_000)
    jpeg = bytearray(saved(small, "JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 30_000, 30_000)
    tiff = saved(small, "TIFF", tiffinfo={}).replace(
        struct.pack("<HHIH", 256, 4, 1, 8), struct.pack("<HHIH", 256, 4, 1, 60_000)
    )
    webp = bytearray(saved(Image.new("RGBA", (8, 8)), "WEBP", lossless=True, exif=b"Exif\0\0II*\0"))
    assert webp[12:16] == b"VP8X"
    webp[24:30] = (16_000).to_bytes(3, "little") * 2
    for data in (bmp, gif, jpeg, webp):
        assert "too large" in quick_refusal(bytes(data)) or data is webp
    assert quick_refusal(tiff)
    assert quick_refusal(bytes(webp))


def test_just_above_and_below_the_bounds() -> None:
    assert "too large" in quick_refusal(png(8_001, 8_000, b""))
    assert MAX_PIXELS == 64_000_000
    assert "cut off" in quick_refusal(png(8_000, 8_000, b""))
    assert "too large" in quick_refusal(png(32_768, 1, b""))
    assert "no pixels" in quick_refusal(png(0, 5, b""))
    assert "too large" in quick_refusal(png(2**32 - 1, 2**32 - 1, b""))


def test_a_file_of_too_many_bytes() -> None:
    assert "MB" in quick_refusal(bytes(MAX_BYTES + 1))


def test_bombs_in_png_text_and_profiles_are_never_unfolded() -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    texts = [chunk(b"zTXt", b"k%d\0\0" % index + bomb) for index in range(40)]
    texts += [chunk(b"iTXt", b"k\0\1\0\0\0" + bomb)] * 10 + [chunk(b"iCCP", b"p\0\0" + bomb)] * 40
    data = png(2, 1, b"\0\5\6", 8, 0, 0, *texts)
    start = time.thread_time()
    picture = decode(data, "a")
    assert time.thread_time() - start < 0.5
    assert picture.pixels[0, :, 0].tolist() == [5, 6]
