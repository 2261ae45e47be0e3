"""What is said of maps along a stack, against plain sums."""

from __future__ import annotations

import numpy as np
import pytest

from explain.engine.slices import SliceAnswer, follow_maps, order_slices
from explain.maps.heatmap import Heatmap
from explain.methods import get_method
from explain.passes.count import Passes
from explain.pictures.geometry import Box


def answer(index: int, values: np.ndarray | None, method: str = "grad-cam") -> SliceAnswer:
    if values is None:
        return SliceAnswer(index, 0, "cat", problem="It failed.")
    box = Box.whole((32, 32))
    settings = get_method(method).settings()
    heatmap = Heatmap(method, settings, "layer", 0, "cat", values.astype(np.float32), box, 0.0, Passes())
    return SliceAnswer(index, 0, "cat", 0.5, 1.0, maps={method: heatmap})


@pytest.mark.parametrize(
    ("there", "first", "order"),
    [
        (range(5), 2, [2, 3, 1, 4, 0]),
        (range(4), 0, [0, 1, 2, 3]),
        (range(4), 3, [3, 2, 1, 0]),
        ([0, 1, 5, 6], 3, [5, 1, 6, 0]),
        ([], 3, []),
    ],
)
def test_nearest_first(there: list[int], first: int, order: list[int]) -> None:
    assert order_slices(there, first) == order


def test_maps_along_a_stack() -> None:
    random = np.random.default_rng(0)
    maps = {at: random.normal(size=(4, 5)) * (1 + at) for at in range(6)}
    maps[2] = -np.abs(maps[2])  # nothing above zero
    maps[3] = np.full((4, 5), 1e-3)
    course = follow_maps([answer(at, one) for at, one in maps.items()] + [answer(6, None)], "grad-cam")
    assert course is not None
    sums = {at: sum(value for value in one.ravel() if value > 0) for at, one in maps.items()}
    for at, total in sums.items():
        assert course.strengths[at] == pytest.approx(total / max(sums.values()), rel=1e-5)
    assert course.blank == {2} and course.faint == {3} and max(course.strengths.values()) == 1
    lowest, highest = min(one.min() for one in maps.values()), max(one.max() for one in maps.values())
    assert course.ends == pytest.approx((lowest, highest)) and lowest < 0
    assert course.find_range(signed=False) == pytest.approx((0.0, highest))
    largest = max(-lowest, highest)
    assert course.find_range(signed=True) == pytest.approx((-largest, largest))


def test_nothing_to_follow() -> None:
    assert follow_maps([], "grad-cam") is None and follow_maps([answer(0, None)], "grad-cam") is None
    assert follow_maps([answer(0, np.ones((2, 2)))], "eigen-cam") is None
    blank = follow_maps([answer(0, np.zeros((2, 2))), answer(1, -np.ones((2, 2)))], "grad-cam")
    assert blank is not None and blank.strengths == {0: 0.0, 1: 0.0} and blank.blank == {0, 1} and not blank.faint


def test_a_map_of_no_numbers_is_blank() -> None:
    course = follow_maps([answer(0, np.array([[np.nan]])), answer(1, np.ones((1, 1)))], "grad-cam")
    assert course is not None and course.blank == {0} and course.strengths == {1: 1.0}
