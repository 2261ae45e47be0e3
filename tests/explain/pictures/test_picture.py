"""A picture and what is shown of it, and the same picture with other pixels."""

import numpy as np
import pytest

from explain.pictures.picture import alter, build_picture


def test_eight_bits_are_shown_as_they_are_and_more_are_rounded() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    plain = build_picture("a.png", pixels, "digest", ("A note.",))
    assert plain.pixels is plain.model_pixels and (plain.pixels == pixels).all()
    assert (plain.name, plain.digest, plain.notes, plain.size) == ("a.png", "digest", ("A note.",), (4, 5))
    deep = build_picture("b.png", np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5, 1), "digest", ())
    assert deep.model_pixels.dtype == np.float32 and deep.pixels.shape == (4, 5, 3)
    assert (deep.pixels == np.rint(255 * deep.model_pixels)).all(), "the same in all three channels"


@pytest.mark.parametrize("deep", [False, True])
def test_nobody_can_write_on_a_picture(deep: bool) -> None:
    values = np.zeros((4, 5, 1), np.float32) if deep else np.zeros((4, 5, 3), np.uint8)
    picture = build_picture("a.png", values.swapaxes(0, 1), "digest", ())
    for array in (picture.pixels, picture.model_pixels):
        assert array.flags.c_contiguous and not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_an_altered_picture_says_so_and_is_known_by_its_pixels() -> None:
    before = build_picture("a.png", np.zeros((4, 5, 3), np.uint8), "digest", ("Upright.",))
    ones, twos = (np.full((4, 5, 3), value, np.uint8) for value in (1, 2))
    once = alter(before, ones, "Painted.")
    twice = alter(once, twos, "Painted again.")
    assert (once.name, twice.name) == ("a.png (altered)", "a.png (altered)")
    assert twice.notes == ("Upright.", "Painted.", "Painted again.")
    assert len({before.digest, once.digest, twice.digest}) == 3
    assert alter(before, twos, "Another way.").digest == twice.digest
    assert alter(before, twos.reshape(5, 4, 3), "Lying.").digest != twice.digest
