"""The studio's charts say what they are given."""

from __future__ import annotations

import numpy as np
import pytest

from components.studio.charts import (
    draw_change,
    draw_class_accuracy,
    draw_confusion,
    draw_loss,
    draw_scores,
    shorten_names,
)
from explain.models.judged import Judged, find_interval
from explain.training.outcome import Epoch


def test_long_and_equal_names_stay_apart_and_are_no_html() -> None:
    names = shorten_names(["a" * 40 + "x", "a" * 40 + "y", "<b>bold</b>", "wren", "wren"])
    assert len(set(names)) == 5
    assert all(len(name) < 40 and "<" not in name for name in names)
    assert names[2] == "&lt;b>bold&lt;/b>"


def test_the_likeliest_classes_are_shown_and_those_asked_for_marked() -> None:
    probabilities = np.array([0.1, 0.5, 0.05, 0.3, 0.05])
    bar = draw_scores(probabilities, ["a", "b", "c", "d", "e"], [2], 2).data[0]
    assert list(bar.y) == ["<b>c</b>", "d", "b"]  # from below
    assert list(bar.x) == pytest.approx([5, 30, 50])
    assert bar.marker.color[0] != bar.marker.color[1] == bar.marker.color[2]


def test_a_change_keeps_classes_that_are_likely_in_either() -> None:
    figure = draw_change([0.9, 0.05, 0.05], [0.1, 0.05, 0.85], ["a", "b", "c"], [0], 2)
    after, before = figure.data
    assert (after.name, before.name) == ("after", "before")
    assert list(before.y) == ["c", "<b>a</b>"]
    assert list(before.x) == pytest.approx([5, 90])
    assert list(after.x) == pytest.approx([85, 10])


def test_confusion_is_shares_of_the_true_class_and_an_empty_class_is_no_division_by_zero() -> None:
    heat = draw_confusion(np.array([[3, 1], [0, 0]]), ["a", "b"]).data[0]
    np.testing.assert_allclose(heat.z, [[0.75, 0.25], [0, 0]])
    np.testing.assert_array_equal(heat.customdata, [["3 (75 %)", "1 (25 %)"], ["0 (0 %)", "0 (0 %)"]])


def test_the_worst_class_stands_on_top_and_unchecked_ones_nowhere() -> None:
    judged = Judged(right=(4, 0, 1), pictures=(5, 0, 5), manner="folds", folds=5)
    bar = draw_class_accuracy(judged, ["a", "b", "c"]).data[0]
    assert list(bar.y) == ["a, 4 of 5", "c, 1 of 5"]
    assert list(bar.x) == pytest.approx([80, 20])
    low, high = find_interval(4, 5)
    assert (bar.x[0] - bar.error_x.arrayminus[0], bar.x[0] + bar.error_x.array[0]) == pytest.approx(
        (100 * low, 100 * high)
    )


def test_a_curve_of_nothing_is_left_out() -> None:
    figure = draw_loss([Epoch(1, 2.0, 10.0, None, None, 0.5, 100.0)])
    assert [line.name for line in figure.data] == ["learnt from"]


def test_a_single_epoch_can_be_seen() -> None:
    figure = draw_loss([Epoch(1, 2.0, 10.0, 1.5, 20.0, 0.5, 100.0)])
    assert [list(line.y) for line in figure.data] == [[2.0], [1.5]]
    assert all("markers" in line.mode for line in figure.data)
