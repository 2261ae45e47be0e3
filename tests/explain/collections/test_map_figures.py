"""The figures of a map, beside a slow count of its cells; and what half precision keeps of it."""

import math

import numpy as np
import pytest

from explain.collections.map_figures import MOST_CELLS, find_agreement, find_figures, pack
from explain.maps.heatmap import Heatmap
from explain.passes.count import Passes
from explain.pictures.geometry import Box
from explain.settings import Settings

SIZE = (40, 80)
FINE = 120
"""Points along a side of the slow count; a whole number of them in every cell and on every edge."""


def make_map(values: np.ndarray) -> Heatmap:
    return Heatmap(
        "grad-cam", Settings(), "layer4", 0, "cat", values.astype(np.float32), Box.whole(SIZE), 0.0, Passes()
    )


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (8, 6)])
def test_figures_are_those_of_a_count_point_by_point(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    figures = find_figures(make_map(values), SIZE)
    centre = inner = total = 0.0
    for row in range(FINE):
        for column in range(FINE):
            value = max(values[row * shape[0] // FINE, column * shape[1] // FINE], 0)
            total += value
            if FINE / 4 <= row < 3 * FINE / 4 and FINE / 4 <= column < 3 * FINE / 4:
                centre += value
            if FINE / 8 <= row < 7 * FINE / 8 and FINE / 8 <= column < 7 * FINE / 8:
                inner += value
    assert figures.centre == pytest.approx(centre / total)
    assert figures.border == pytest.approx(1 - inner / total)
    positive = [value for value in values.ravel() if value > 0]
    shares = [value / sum(positive) for value in positive]
    assert figures.entropy == pytest.approx(-sum(p * math.log(p) for p in shares) / math.log(values.size))
    assert figures.area == sum(value > max(positive) / 2 for value in positive) / values.size
    row, column = divmod(int(values.argmax()), shape[1])
    assert figures.peak_x == pytest.approx((column + 0.5) / shape[1])
    assert figures.peak_y == pytest.approx((row + 0.5) / shape[0])
    assert not figures.blank


def test_one_cell_has_no_entropy_and_an_even_map_has_all() -> None:
    one, even = np.zeros((4, 4)), np.ones((4, 4))
    one[0, 0] = 3
    assert (find_figures(make_map(one), SIZE).entropy, find_figures(make_map(one), SIZE).border) == (0, 0.75)
    assert find_figures(make_map(even), SIZE).entropy == pytest.approx(1)
    assert find_figures(make_map(even), SIZE).centre == pytest.approx(0.25)


@pytest.mark.parametrize("values", [-np.ones((3, 3)), np.zeros((3, 3)), np.full((3, 3), np.nan)])
def test_a_blank_map_has_no_figures(values: np.ndarray) -> None:
    figures = find_figures(make_map(values), SIZE)
    assert figures.blank and math.isnan(figures.border) and math.isnan(figures.peak_x)


def test_agreement_is_the_mean_over_pairs() -> None:
    up = make_map(np.arange(9.0).reshape(3, 3) + 1)
    down = make_map(10 - up.values)
    assert find_agreement([up, up]) == pytest.approx(1)
    assert find_agreement([up, up, down]) == pytest.approx((1 - 1 - 1) / 3)
    assert math.isnan(find_agreement([up])) and math.isnan(find_agreement([up, make_map(np.zeros((3, 3)))]))


@pytest.mark.parametrize(("magnitude", "scaled"), [(1, False), (3e5, True), (1e-6, True), (0, False), (60, False)])
def test_packing_keeps_sign_and_value_to_a_thousandth(magnitude: float, scaled: bool) -> None:
    values = (np.random.default_rng(1).uniform(-1, 1, (7, 9)) * magnitude).astype(np.float32)
    packed, scale = pack(values)
    assert packed.dtype == np.float16 and packed.shape == (7, 9) and (scale != 1) == scaled
    assert np.abs(packed.astype(np.float64) * scale - values).max() <= 1e-3 * magnitude


def test_a_fine_map_is_averaged() -> None:
    values = np.random.default_rng(2).normal(size=(64, 14)).astype(np.float32)
    packed, scale = pack(values)
    assert packed.shape == (MOST_CELLS, 14) and scale == 1
    slow = values.reshape(32, 2, 14).mean(1)
    assert np.abs(packed - slow).max() < 2e-3
