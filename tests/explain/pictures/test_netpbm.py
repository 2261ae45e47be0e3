"""PGM and PPM, binary and as text, against the numbers they were written from."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image

from explain.pictures.decode import decode
from tests.support.image_files import coloured, refusal, saved


def netpbm(values: np.ndarray, white: int, text: bool = False, head: bytes = b"# by hand\n") -> bytes:
    """A file of `(H, W)` or `(H, W, 3)`."""
    kind = (3 if values.ndim == 3 else 2) + (0 if text else 3)
    start = b"P%d\n%b%d %d\n%d\n" % (kind, head, values.shape[1], values.shape[0], white)
    if text:
        return start + b"\n".join(b"%d" % number for number in values.ravel())
    return start + values.astype("u1" if white < 256 else ">u2").tobytes()


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("white", [1, 100, 255, 256, 1000, 4095, 65535])
def test_white_is_what_the_header_says(white: int, colour: bool, text: bool) -> None:
    shape = (20, 30, 3) if colour else (20, 30)
    values = np.random.default_rng(white).integers(0, white + 1, shape)
    picture = decode(netpbm(values, white, text), "a")
    expected = values / white if colour else np.repeat((values / white)[:, :, None], 3, axis=2)
    assert np.abs(picture.pixels / 255 - expected).max() <= 0.501 / 255
    if white > 255:
        assert picture.model_pixels.dtype == np.float32
        assert np.abs(picture.model_pixels - expected[:, :, : picture.model_pixels.shape[2]]).max() < 1e-6


def test_bits_in_use_where_the_header_says_only_sixteen() -> None:
    values = np.linspace(0, 4095, 600).astype(int).reshape(20, 30)
    assert "12 bits" in decode(netpbm(values, 65535), "a").notes[0]
    assert decode(netpbm(values, 4095), "a", white=8190).model_pixels.max() == 0.5


def test_what_pillow_writes() -> None:
    grey = coloured()[:, :, 0]
    assert np.array_equal(decode(saved(coloured(), "PPM"), "a").pixels, coloured())
    assert np.array_equal(decode(saved(grey, "PPM"), "a").pixels[:, :, 2], grey)
    bits = grey > 90
    assert np.array_equal(decode(saved(Image.fromarray(bits), "PPM"), "a").pixels[:, :, 0], bits * np.uint8(255))


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("white", [255, 4095])
def test_cut_off(white: int, text: bool) -> None:
    data = netpbm(np.full((20, 30), white), white, text)
    decode(data, "a")
    for length in (len(data) - 5, len(data) // 2, 24):
        assert "cut off" in refusal(data[:length])
    for length in range(2, 20):
        refusal(data[:length])


def test_nonsense() -> None:
    assert "above 300" in refusal(netpbm(np.full((2, 2), 301), 300))
    assert "no numbers" in refusal(b"P2 2 2 255 1 2 x 4")
    assert "no numbers" in refusal(b"P2 2 2 255 1 2 -3 4")
    assert "70,000" in refusal(b"P5 2 2 70000 12345678")
    assert "largest number is 0" in refusal(b"P5 2 2 0 1234")
    start = time.thread_time()
    assert "too large" in refusal(b"P5 99999 99999 255\n1234")
    assert "too large" in refusal(b"P5 32767 1953 65535\n1234") or "cut off" in refusal(b"P5 32767 1953 65535\n1234")
    assert "too large" in refusal(b"P1 99999 99999 1")
    refusal(b"P5" + b"\n" * 3_000_000)
    refusal(b"P5" + b"#" * 3_000_000)
    refusal(b"P2 9 9 255 " + b"9" * 3_000_000)
    assert time.thread_time() - start < 2
