"""White in deep pictures: guessed as single pixels do not move it, asked for, and as it was guessed before."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from explain.errors import PictureError
from explain.pictures.decode import decode
from tests.support.image_files import saved
from tests.support.tiff_files import tiff


def scan(largest: int = 4080) -> np.ndarray:
    """Grey of 12 bits, `(60, 80)`."""
    return np.linspace(0, largest, 4800).astype(np.uint16).reshape(60, 80)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG2000"])
@pytest.mark.parametrize("hot", [4200, 20_000, 65_535])
def test_a_hot_pixel_does_not_darken_a_scan(kind: str, hot: int) -> None:
    plain = scan()
    spoilt = plain.copy()
    spoilt[0, 0] = spoilt[3, 7] = hot
    expected, found = (decode(saved(values, kind), "a") for values in (plain, spoilt))
    others = np.ones(plain.shape, bool)
    others[0, 0] = others[3, 7] = False
    assert np.array_equal(found.model_pixels[others], expected.model_pixels[others])
    assert found.model_pixels[0, 0, 0] == 1
    assert "12 bits" in found.notes[0] and "shown white: 2 of the values (0.04 %)" in found.notes[1]


def test_pictures_of_one_series_are_scaled_alike() -> None:
    for seed in range(5):
        values = scan(3000 + 200 * seed)
        hot = np.random.default_rng(seed).integers(0, 4800, seed)
        values.ravel()[hot] = 60_000
        picture = decode(saved(values, "PNG"), "a")
        assert np.allclose(picture.model_pixels[:, :, 0], np.minimum(values / 4095, 1), atol=1e-6)


@pytest.mark.parametrize(("bright", "bits"), [(0, 12), (4, 12), (5, 16), (48, 16), (4800, 16)])
def test_more_than_one_in_a_thousand_is_no_stray(bright: int, bits: int) -> None:
    values = scan()
    values.ravel()[:bright] = 65_000
    assert f"of which {bits} bits" in decode(saved(values, "PNG"), "a").notes[0]


def test_lettering_far_above_all_others_is_said() -> None:
    values = scan()
    values[:10, :20] = 65_535
    said = decode(saved(values, "PNG"), "a").notes
    assert any("The number 65,535 (4.17 % of the picture) is far above" in note for note in said)
    assert any("--white 4095" in note for note in said)
    mask = np.where(scan() > 2000, 65_535, 0).astype(np.uint16)
    whole = scan() * 16
    for plain in (mask, whole, scan()):
        assert not any("far above" in note for note in decode(saved(plain, "PNG"), "a").notes)


def test_deep_colour_of_jpeg_2000_that_comes_out_black_is_said() -> None:
    """Pillow keeps the upper 8 of 16 bits, of which a sensor's 12 fill four."""
    for shift, dark in ((0, True), (4, False)):
        colour = np.dstack([scan() << shift] * 3)
        data = cv2.imencode(".jp2", colour)[1].tobytes()
        notes = decode(data, "a").notes
        assert any("nearly black" in note for note in notes) == dark


def test_eight_bits_are_taken_only_where_nothing_lies_between_them_and_ten() -> None:
    values = np.full((60, 80), 200, np.uint16)
    values[0, 0] = 300
    assert "10 bits" in decode(saved(values, "PNG"), "a").notes[0]
    values[0, 0] = 65535
    assert "8 bits" in decode(saved(values, "PNG"), "a").notes[0]


@pytest.mark.parametrize("white", [1000, 4095, 65535])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "colour"])
def test_white_can_be_asked_for(white: int, kind: str) -> None:
    values = scan()
    data = tiff(np.dstack([values] * 3), 2) if kind == "colour" else saved(values, kind)
    picture = decode(data, "a", white)
    assert np.allclose(picture.model_pixels[:, :, 0], np.minimum(values / white, 1), atol=1e-6)
    assert f"{white:,}, as asked" in picture.notes[0]
    plain = decode(data, "a")
    assert picture.white == white and picture.source == plain.source == plain.digest != picture.digest
    assert plain.white is None


def test_white_says_nothing_of_pictures_of_eight_bits_and_of_floats() -> None:
    for data in (saved((scan() // 16).astype(np.uint8), "PNG"), saved(np.float32(scan() / 4095), "TIFF")):
        asked, plain = decode(data, "a", 1000), decode(data, "a")
        assert np.array_equal(asked.model_pixels, plain.model_pixels)
        assert asked.digest == plain.digest and asked.white is None


@pytest.mark.parametrize("white", [0, -1, 65_536])
def test_a_white_that_cannot_be_one_is_refused(white: int) -> None:
    with pytest.raises(PictureError, match="White is a number from 1 to 65535"):
        decode(saved(scan(), "PNG"), "a", white)


def test_the_first_rules_are_kept_for_old_manifests() -> None:
    values = scan()
    values[0, 0] = 65_535
    old = decode(saved(values, "PNG"), "a", rules=1)
    assert np.array_equal(old.model_pixels[:, :, 0], values.astype(np.float32) / np.float32(65_535))
    colour = np.dstack([scan()] * 3)
    old = decode(tiff(colour, 2), "a", rules=1)
    assert np.array_equal(old.model_pixels, (colour >> 8).astype(np.uint8))
    assert "upper 8" in old.notes[0] and old.rules == 1
    holed = scan().astype(np.float32)[:, :, None]
    holed[0, 0] = -9999
    old = decode(tiff(holed, 1, more={42113: ("s", b"-9999\0")}), "a", rules=1)
    assert np.allclose(old.model_pixels, (holed + 9999) / (4080 + 9999), atol=1e-6)
