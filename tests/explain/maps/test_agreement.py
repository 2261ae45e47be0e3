"""Agreement of maps against plain loops."""

import numpy as np
import pytest

from explain.maps.agreement import rank_correlations, subtract
from explain.pictures.geometry import Box

WHOLE = Box(0.0, 0.0, 80.0, 60.0)


def rank_slowly(values: list[float]) -> list[float]:
    return [sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2 for value in values]


def correlate_slowly(one: list[float], two: list[float]) -> float:
    first, second = rank_slowly(one), rank_slowly(two)
    mean = sum(first) / len(first)
    top = sum((a - mean) * (b - mean) for a, b in zip(first, second, strict=True))
    return top / (sum((a - mean) ** 2 for a in first) * sum((b - mean) ** 2 for b in second)) ** 0.5


@pytest.mark.parametrize("seed", range(5))
def test_equals_spearman_written_out_with_ties_and_nothing_below_zero(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = [rng.integers(-3, 5, (4, 5)).astype(np.float32) for _ in range(3)]
    found = rank_correlations(maps, [WHOLE] * 3)
    for i in range(3):
        for j in range(3):
            one, two = (np.maximum(maps[k], 0).ravel().tolist() for k in (i, j))
            assert found[i, j] == pytest.approx(correlate_slowly(one, two))


def test_scale_does_not_matter_and_order_does() -> None:
    values = np.random.default_rng(0).random((6, 6))
    found = rank_correlations([values, values**3 * 100, 1 - values], [WHOLE] * 3)
    assert found[0, 1] == pytest.approx(1)
    assert found[0, 2] == pytest.approx(-1)


def test_what_has_no_order_has_no_correlation() -> None:
    values = np.random.default_rng(0).random((3, 3))
    found = rank_correlations([values, np.ones((3, 3)), np.full((3, 3), np.nan), -values], [WHOLE] * 4)
    assert found[0, 0] == pytest.approx(1)
    assert np.isnan(found[0, 1:]).all() and np.isnan(found[1:, 1:]).all()


def test_maps_of_other_grids_and_other_parts_of_the_picture_meet_where_both_lie() -> None:
    """A ramp over the picture is the same ramp, however fine its grid and whatever part of the picture it covers."""
    whole = np.tile((np.arange(8) + 0.5) * 10, (6, 1))
    part = np.tile(20 + (np.arange(4) + 0.5) * 10, (3, 1))  # over x from 20 to 60
    boxes = [WHOLE, Box(20.0, 0.0, 60.0, 60.0)]
    assert rank_correlations([whole, part], boxes)[0, 1] == pytest.approx(1)
    difference, box = subtract(whole, part, (boxes[0], boxes[1]))
    assert box == (20.0, 0.0, 60.0, 60.0)
    assert difference.shape == (6, 4)
    x = 20 + (np.arange(4) + 0.5) * 10
    assert difference == pytest.approx(np.tile(x / 75 - x / 55, (6, 1)), abs=1e-6)


def test_a_difference_is_in_units_of_each_maps_own_largest_value() -> None:
    first, second = np.array([[4.0, 2.0], [0.0, -9.0]]), np.array([[0.0, 0.1], [0.2, 0.0]])
    difference, _ = subtract(first, second, (WHOLE, WHOLE))
    assert difference.dtype == np.float32
    assert difference == pytest.approx(np.array([[1, 0], [-1, 0]]))
    blank, _ = subtract(np.zeros((2, 2)), second, (WHOLE, WHOLE))
    assert blank == pytest.approx(np.array([[0, -0.5], [-1, 0]]))
