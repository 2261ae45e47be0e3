"""Shapley values: by enumeration of all orders, and what must hold of them."""

from itertools import permutations

import numpy as np
import pytest

from explain.faithfulness.shapley import list_coalitions, share_out


def enumerate_orders(values: np.ndarray, count: int) -> np.ndarray:
    """The definition: over all orders in which regions may come, the mean of what each adds when it comes."""
    shares = np.zeros((count, *values.shape[1:]))
    orders = list(permutations(range(count)))
    for order in orders:
        there = 0
        for region in order:
            shares[region] += values[there | 1 << region] - values[there]
            there |= 1 << region
    return shares / len(orders)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_equals_the_mean_over_all_orders(count: int) -> None:
    values = np.random.default_rng(count).normal(size=(2**count, 4))
    shares = share_out(values)
    np.testing.assert_allclose(shares, enumerate_orders(values, count), atol=1e-12)
    np.testing.assert_allclose(shares.sum(0), values[-1] - values[0], atol=1e-12)


def test_eight_share_all_there_is() -> None:
    values = np.random.default_rng(8).normal(size=256)
    assert abs(share_out(values).sum() - (values[-1] - values[0])) < 1e-12


def test_who_adds_nothing_gets_nothing_and_equals_get_the_same() -> None:
    rows = list_coalitions(3)
    values = 2.0 * rows[:, 0] * rows[:, 2]  # the two together are worth 2; the one in the middle is worth nothing
    np.testing.assert_allclose(share_out(values), [1, 0, 1])


def test_rows_say_who_is_in() -> None:
    assert list_coalitions(2).tolist() == [[False, False], [True, False], [False, True], [True, True]]
