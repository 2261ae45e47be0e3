"""How alike two maps are."""

import numpy as np
import pytest

from explain.faithfulness.likeness import find_likeness, find_likenesses_of_strangers


def test_it_is_pearsons_correlation() -> None:
    one, other = np.random.default_rng(0).random((2, 8, 8))
    assert find_likeness(one, other) == pytest.approx(np.corrcoef(one.ravel(), other.ravel())[0, 1])
    assert find_likeness(one, 3 * one + 1) == pytest.approx(1.0)
    assert np.isnan(find_likeness(one, np.ones((8, 8))))


def test_strangers_are_compared_pair_by_pair_and_blank_ones_left_out() -> None:
    maps = np.random.default_rng(1).random((4, 8, 8))
    maps[2] = 0
    found = find_likenesses_of_strangers(maps)
    assert found == pytest.approx([find_likeness(maps[i], maps[j]) for i, j in ((0, 1), (0, 3), (1, 3))])
