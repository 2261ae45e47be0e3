"""Sums as they are written: what stands there adds up to the last digit."""

from __future__ import annotations

import math
import re
from decimal import Decimal

import numpy as np
import pytest

from components.maps.formula import MOST_ROWS, count_decimals, format_plain, write_roots, write_sum
from explain.methods.formula import Sum


def make_sum(products: list[float], factors: int = 2) -> Sum:
    values = np.random.default_rng(len(products)).normal(size=(len(products), factors))
    names = [str(k) for k in range(len(products))]
    return Sum("Channel", names, [f"$w_{k}$" for k in range(factors)], values, np.array(products))


def read(text: str) -> Decimal:
    return Decimal(text.replace("−", "-"))


@pytest.mark.parametrize("seed", range(40))
def test_what_is_written_adds_up_and_is_the_maps_value(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 300))
    whole = make_sum((random.normal(size=count) * 10.0 ** random.integers(-7, 5)).tolist())
    value = float(np.float32(whole.total))
    rows = write_sum(whole, value)
    products = [read(row.product) for row in rows]
    assert sum(products[:-1]) == products[-1]
    assert rows[-1].name == "Sum" and len(rows) <= MOST_ROWS + 2
    largest = float(np.abs(whole.products).max())
    assert float(products[-1]) == pytest.approx(value, abs=3e-3 * max(largest, abs(value)))
    sizes = np.sort(np.abs(whole.products))[::-1]
    shown = [abs(float(product)) for row, product in zip(rows, products, strict=True) if row.name.isdigit()]
    np.testing.assert_allclose(shown, sizes[: len(shown)], atol=3e-3 * largest)
    if count > MOST_ROWS:
        assert rows[-2].name == f"the other {count - MOST_ROWS + 1}"


def test_a_group_whose_channels_have_factors_of_their_own_says_so() -> None:
    whole = Sum("Group", ["noise"], ["$w_G$", "$A$"], np.array([[np.nan, -2.0]]), np.array([-1.0]))
    rows = write_sum(whole, -1.0)
    assert [row.name for row in rows] == ["noise", "Sum"]
    assert rows[0].factors == ("own", "−2")
    assert rows[1].product == "−1.000"


def test_few_summands_that_round_apart_say_so() -> None:
    rows = write_sum(make_sum([0.33335, 0.33335, 0.33335]), 1.00005)
    assert [row.name for row in rows] == ["0", "1", "2", "Sum"] or rows[-2].name == "rounding"
    assert sum(read(row.product) for row in rows[:-1]) == read(rows[-1].product)


def test_nothing_is_written_as_nothing() -> None:
    rows = write_sum(make_sum([0.0] * 9), 0.0)
    assert {row.product for row in rows} == {"0.000"}
    assert count_decimals([]) == count_decimals([0.0]) == 3
    assert format_plain(-0.0001, 2) == "0.00"


@pytest.mark.parametrize("seed", range(40))
def test_roots_that_are_written_make_what_is_written(seed: int) -> None:
    random = np.random.default_rng(seed)
    totals = (random.random(size=int(random.integers(1, 3))) * 10.0 ** random.integers(-6, 5)).tolist()
    said = write_roots(totals, math.prod(map(math.sqrt, totals)))
    match = re.search(r": ([^=]+) = ([^=]+)\.$", said)
    assert match is not None
    assert f"{math.prod(float(root) for root in match[1].split(' · ')):.4g}" == match[2]
