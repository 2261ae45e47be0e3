"""Regions of a picture: which pixels belong to an outline, a rectangle and a mask."""

from typing import Any

import numpy as np
import pytest

from explain.errors import PictureError
from explain.pictures.region import join_regions, mask_region

SIZE = (40, 60)
TRIANGLE = [(10.0, 5.0), (50.0, 8.0), (22.5, 36.0)]
DISC = np.hypot(np.arange(SIZE[0])[:, None] - 20, np.arange(SIZE[1]) - 31) < 9


@pytest.mark.parametrize("polygon", [TRIANGLE, TRIANGLE[::-1], [(0, 0), (30, 30), (30, 0), (0, 30)]])
def test_a_pixel_belongs_to_an_outline_by_its_centre(polygon: list[tuple[float, float]]) -> None:
    expected = np.zeros(SIZE, dtype=bool)
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            x, y = column + 0.5, row + 0.5
            crossings = 0
            for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
                if (y1 <= y) != (y2 <= y) and x1 + (y - y1) * (x2 - x1) / (y2 - y1) <= x:
                    crossings += 1
            expected[row, column] = crossings % 2
    np.testing.assert_array_equal(mask_region(polygon, SIZE), expected)


def test_a_rectangle_of_whole_pixels_is_those_pixels() -> None:
    expected = np.zeros(SIZE, dtype=bool)
    expected[6:25, 12:30] = True
    np.testing.assert_array_equal(mask_region((12, 6, 30, 25), SIZE), expected)
    assert mask_region((-50, -50, 500, 500), SIZE).all()
    np.testing.assert_array_equal(mask_region(DISC, SIZE), DISC)


def test_regions_together_are_the_pixels_of_any() -> None:
    joined = join_regions([(12, 6, 30, 25), DISC], SIZE)
    np.testing.assert_array_equal(joined, mask_region((12, 6, 30, 25), SIZE) | DISC)


@pytest.mark.parametrize(
    ("region", "sentence"),
    [
        ((12, 6, 12, 25), "holds no pixel"),
        ((100, 100, 120, 120), "holds no pixel"),
        (np.zeros(SIZE, dtype=bool), "holds no pixel"),
        (np.ones((5, 5), dtype=bool), "mask has 5 × 5 pixels, but the picture 40 × 60"),
        ([(0, 0), (5, 5)], "three corners"),
        ((0, 0, float("nan"), 5), "three corners"),
        ([(0, 0), (5, float("inf")), (9, 9)], "three corners"),
        ([(0, 0), (5,)], "three corners"),
        ("everywhere", "three corners"),
    ],
)
def test_no_region_is_a_sentence(region: Any, sentence: str) -> None:
    with pytest.raises(PictureError, match=sentence):
        mask_region(region, SIZE)
