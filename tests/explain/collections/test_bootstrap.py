"""The paired bootstrap against the same in plain NumPy, a draw at a time."""

import numpy as np
import pytest

from explain.collections import bootstrap
from explain.collections.bootstrap import Estimate, Statistic, adjust_chances, find_chance, redraw

COUNT, DRAWS = 41, 300


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    """Three methods on the same pictures: the second is the first and a little more."""
    dice = np.random.default_rng(3)
    first = dice.random(COUNT)
    return np.stack([first, first + 0.05 + 0.02 * dice.standard_normal(COUNT), dice.random(COUNT)], axis=1)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_draws_are_those_of_a_plain_loop(values: np.ndarray, statistic: Statistic) -> None:
    plain = {"mean": np.mean, "median": np.median}[statistic]
    dice = np.random.default_rng(7)
    expected = [plain(values, axis=0)]
    for _ in range(DRAWS):
        expected.append(plain(values[dice.integers(0, COUNT, COUNT)], axis=0))
    np.testing.assert_allclose(redraw(values, statistic, 7, draws=DRAWS), expected, atol=1e-12)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_groups_are_drawn_whole(values: np.ndarray, statistic: Statistic) -> None:
    groups = np.array([9, 4, 4, 7, 2] * 8 + [9])
    plain = {"mean": np.mean, "median": np.median}[statistic]
    names, dice = np.unique(groups), np.random.default_rng(1)
    expected = [plain(values, axis=0)]
    for _ in range(DRAWS):
        rows = [np.flatnonzero(groups == names[number]) for number in dice.integers(0, len(names), len(names))]
        expected.append(plain(values[np.concatenate(rows)], axis=0))
    np.testing.assert_allclose(redraw(values, statistic, 1, groups, DRAWS), expected, atol=1e-12)


def test_many_pictures_are_drawn_in_pieces(values: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = redraw(values, "mean", 5, draws=50)
    monkeypatch.setattr(bootstrap, "_NUMBERS_AT_ONCE", 3 * COUNT)
    np.testing.assert_allclose(redraw(values, "mean", 5, draws=50), whole, rtol=1e-12)


def test_a_difference_on_the_same_pictures_is_surer_than_either(values: np.ndarray) -> None:
    drawn = redraw(values, "mean", 0, draws=2000)
    first, second = Estimate.of(drawn[:, 0]), Estimate.of(drawn[:, 1])
    difference = Estimate.of(drawn[:, 1] - drawn[:, 0])
    assert first.high > second.low and difference.low > 0  # told apart though their intervals overlap
    assert first.value == pytest.approx(values[:, 0].mean())
    draws = np.sort(drawn[1:, 0])
    assert (first.low, first.high) == pytest.approx((np.quantile(draws, 0.025), np.quantile(draws, 0.975)))
    assert find_chance(drawn[:, 1] - drawn[:, 0]) == pytest.approx(2 / 2001)
    assert find_chance(np.zeros(11)) == 1.0 and find_chance(drawn[:, 2] - drawn[:, 0]) > 0.01


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    dice = np.random.default_rng(0)
    held = 0
    for trial in range(200):
        estimate = Estimate.of(redraw(dice.exponential(1, (60, 1)), "mean", trial, draws=200)[:, 0])
        held += estimate.low <= 1 <= estimate.high
    assert 0.88 <= held / 200 <= 0.99


def test_chances_of_several_comparisons_grow_as_holm_says() -> None:
    # The smallest times 3, the next times 2, the last as it is, and none less than the one before.
    assert adjust_chances([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert adjust_chances([0.6, 0.5]) == [1.0, 1.0] and adjust_chances([]) == []
