"""Painting on pictures: what is outside the region stays bit for bit, what is inside is what was asked for."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from explain.errors import PictureError
from explain.pictures.painting import Paint, paint_over, swap_region
from explain.pictures.picture import Picture
from explain.pictures.region import Region, mask_region

PAINTS = get_args(Paint)
SIZE = (40, 60)
TRIANGLE = [(10.0, 5.0), (50.0, 8.0), (22.5, 36.0)]
DISC = np.hypot(np.arange(SIZE[0])[:, None] - 20, np.arange(SIZE[1]) - 31) < 9
REGIONS: dict[str, Region] = {"box": (12.0, 6.0, 30.0, 25.0), "outline": TRIANGLE, "mask": DISC}


def make_colour(seed: int = 0, size: tuple[int, int] = SIZE) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    pixels.setflags(write=False)
    return Picture(f"bird {seed}.png", pixels, pixels, f"digest {seed}", ("A note.",))


def make_grey(seed: int = 0) -> Picture:
    """As a 16-bit file is decoded: floats for the model, 8 bits to be shown."""
    values = np.random.default_rng(seed).uniform(0, 1, (*SIZE, 1)).astype(np.float32)
    pixels = np.repeat(np.rint(values * 255).astype(np.uint8), 3, axis=2)
    return Picture(f"scan {seed}", pixels, values, f"grey {seed}")


def check_outside(before: Picture, after: Picture, region: Region) -> np.ndarray:
    outside = ~mask_region(region, before.size)
    np.testing.assert_array_equal(after.model_pixels[outside], before.model_pixels[outside])
    np.testing.assert_array_equal(after.pixels[outside], before.pixels[outside])
    assert after.model_pixels.dtype == before.model_pixels.dtype
    assert after.pixels.dtype == np.uint8 and after.pixels.shape == (*before.size, 3)
    return ~outside


@pytest.mark.parametrize("make", [make_colour, make_grey])
@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("how", PAINTS)
def test_outside_stays_bit_for_bit_and_inside_changes(make: Any, region: str, how: Paint) -> None:
    before = make()
    after = paint_over(before, REGIONS[region], how)
    inside = check_outside(before, after, REGIONS[region])
    assert (after.model_pixels[inside] != before.model_pixels[inside]).mean() > 0.9
    assert after.digest != before.digest and len(after.digest) == 64
    assert after.notes[: len(before.notes)] == before.notes
    assert after.notes[-1].startswith(f"Altered: {100 * inside.mean():.1f} % of the picture was ")
    assert after.name == f"{before.name} (altered)"
    with pytest.raises(ValueError, match="read-only"):
        after.model_pixels[0] = 0


def test_the_mean_colour_is_that_of_the_ring_around() -> None:
    pixels = np.full((40, 60, 3), 200, np.uint8)
    pixels[10:30, 20:40] = (255, 0, 0)
    pixels[10:30, 14:20], pixels[10:30, 40:46] = (10, 20, 30), (30, 40, 50)
    pixels[4:10], pixels[30:36] = (20, 30, 40), (20, 30, 40)
    pixels[10:30, :14] = (0, 0, 255)  # too far away to count
    after = paint_over(replace(make_colour(), pixels=pixels, model_pixels=pixels), (20, 10, 40, 30))
    assert np.unique(after.pixels[10:30, 20:40].reshape(-1, 3), axis=0).tolist() == [[20, 30, 40]]


def test_inpainting_draws_a_slope_on() -> None:
    pixels = np.repeat(np.arange(60, dtype=np.uint8)[None, :, None] * 4, 40, axis=0).repeat(3, axis=2)
    spoiled = pixels.copy()
    spoiled[15:25, 25:35] = 255
    after = paint_over(replace(make_colour(), pixels=spoiled, model_pixels=spoiled), (25, 15, 35, 25), "inpaint")
    assert np.abs(after.pixels.astype(int) - pixels).max() < 15


def test_noise_has_the_colours_around_and_its_seed() -> None:
    before = make_colour(size=(200, 200))
    box = (50, 50, 150, 150)
    first, again, other = (paint_over(before, box, "noise", seed=seed) for seed in (0, 0, 1))
    assert first.digest == again.digest != other.digest
    patch = first.pixels[50:150, 50:150].astype(float)
    assert abs(patch.mean() - 127.5) < 10 and 50 < patch.std() < 80


def test_blur_takes_the_detail_and_leaves_the_colour() -> None:
    before = make_colour(size=(200, 200))
    patch = paint_over(before, (50, 50, 150, 150), "blur").pixels[50:150, 50:150].astype(float)
    assert abs(patch.mean() - 127.5) < 5 and patch.std() < 15


@pytest.mark.parametrize("how", PAINTS)
def test_a_large_region_is_worked_out_smaller_and_its_edge_holds(how: Paint) -> None:
    pixels = np.zeros((800, 900, 3), np.uint8) + np.array([40, 90, 140], np.uint8)
    box = (100, 100, 800, 700)
    pixels[100:700, 100:800] = (255, 0, 0)
    before = replace(make_colour(), pixels=pixels, model_pixels=pixels)
    after = paint_over(before, box, how)
    check_outside(before, after, box)
    if how != "blur":
        inside = after.pixels[100:700, 100:800].reshape(-1, 3)
        assert np.abs(inside.astype(int) - (40, 90, 140)).max() <= 1, "nothing of what was painted over is left"


def test_painting_over_twice_is_one_more_picture_and_one_suffix() -> None:
    first = paint_over(make_colour(), (0, 0, 10, 10))
    second = paint_over(first, (20, 20, 30, 30))
    assert second.name == "bird 0.png (altered)"
    assert len(second.notes) == 3
    assert second.digest != first.digest


def test_the_digest_is_that_of_the_pixels() -> None:
    one = paint_over(make_colour(), TRIANGLE)
    two = paint_over(replace(make_colour(), name="another name", digest="another"), TRIANGLE)
    assert one.digest == two.digest
    assert one.digest != paint_over(make_colour(1), TRIANGLE).digest


def test_bad_paint_is_a_sentence() -> None:
    with pytest.raises(PictureError, match="covers the whole picture"):
        paint_over(make_colour(), (0, 0, 60, 40))
    with pytest.raises(PictureError, match="Choose one of surroundings"):
        paint_over(make_colour(), TRIANGLE, "glitter")  # type: ignore[arg-type]
    assert paint_over(make_colour(), (0, 0, 60, 40), "blur").size == SIZE


@pytest.mark.parametrize("region", REGIONS)
def test_the_same_place_of_a_picture_of_the_same_size_pixel_by_pixel(region: str) -> None:
    before, other = make_colour(0), make_colour(1)
    after = swap_region(before, REGIONS[region], other)
    inside = check_outside(before, after, REGIONS[region])
    np.testing.assert_array_equal(after.pixels[inside], other.pixels[inside])
    assert after.notes[-1].endswith("replaced by a part of bird 1.png.")


def test_another_place_pixel_by_pixel_and_resized() -> None:
    before, other = make_colour(0), make_colour(1, (80, 90))
    after = swap_region(before, (10, 10, 30, 20), other, (50, 60, 70, 70))
    np.testing.assert_array_equal(after.pixels[10:20, 10:30], other.pixels[60:70, 50:70])
    halved = swap_region(before, (10, 10, 30, 20), other, (50, 60, 90, 80))
    expected = other.pixels[60:80, 50:90].astype(float).reshape(10, 2, 20, 2, 3).mean((1, 3))
    assert np.abs(halved.pixels[10:20, 10:30] - expected).max() <= 0.51
    check_outside(before, halved, (10, 10, 30, 20))


def test_pictures_of_different_sizes_are_laid_over_each_other() -> None:
    before, other = make_colour(0), make_colour(1, (80, 120))
    after = swap_region(before, (10, 10, 30, 20), other)
    expected = other.pixels[20:40, 20:60].astype(float).reshape(10, 2, 20, 2, 3).mean((1, 3))
    assert np.abs(after.pixels[10:20, 10:30] - expected).max() <= 0.51


def test_a_soft_edge_lies_inside() -> None:
    before = replace(make_colour(), pixels=np.zeros((*SIZE, 3), np.uint8), model_pixels=np.zeros((*SIZE, 3), np.uint8))
    white = replace(before, pixels=np.full((*SIZE, 3), 255, np.uint8), model_pixels=np.full((*SIZE, 3), 255, np.uint8))
    after = swap_region(before, (10, 5, 40, 35), white, feather=4)
    check_outside(before, after, (10, 5, 40, 35))
    assert after.pixels[20, 10:16, 0].tolist() == [51, 102, 153, 204, 255, 255]


def test_grey_scans_and_colour_mix() -> None:
    grey, colour = make_grey(), make_colour()
    after = swap_region(grey, DISC, colour)
    inside = check_outside(grey, after, DISC)
    np.testing.assert_allclose(after.model_pixels[inside, 0], colour.pixels[inside].mean(1) / 255, atol=1e-6)
    after = swap_region(colour, DISC, grey)
    np.testing.assert_array_equal(after.pixels[DISC], grey.pixels[DISC])
    np.testing.assert_array_equal(
        swap_region(grey, DISC, make_grey(1)).model_pixels[DISC], make_grey(1).model_pixels[DISC]
    )


@pytest.mark.parametrize("place", [(0, 0, 61, 10), (-1, 0, 10, 10), (5, 5, 5, 10), (30, 0, 10, 10), (0, 0, np.nan, 9)])
def test_a_place_beyond_the_other_picture_is_a_sentence(place: Any) -> None:
    with pytest.raises(PictureError, match=r"beyond the other picture|no rectangle"):
        swap_region(make_colour(), TRIANGLE, make_colour(1), place)
