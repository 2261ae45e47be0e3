"""Sums as they are written: what stands there adds up to the last digit."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from components.maps.formula import count_decimals, format_plain, write_sum
from explain.maps.channels import Breakdown, Term


def make_breakdown(seed: int) -> Breakdown:
    random = np.random.default_rng(seed)
    size = 10.0 ** random.integers(-7, 5)
    weights, activations = random.normal(size=(2, 3))
    terms = tuple(
        Term(k, float(weights[k] * size), float(activations[k]), float(weights[k] * activations[k] * size))
        for k in range(3)
    )
    rest = float(random.normal() * size)
    return Breakdown((1, 2), terms, 253, rest, sum(term.product for term in terms) + rest)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_written_adds_up(seed: int) -> None:
    breakdown = make_breakdown(seed)
    products = [Decimal(row.product.replace("−", "-")) for row in write_sum(breakdown)]
    assert len(products) == 5
    assert sum(products[:-1]) == products[-1]
    largest = max(abs(breakdown.rest), abs(breakdown.value), *(abs(term.product) for term in breakdown.terms))
    expected = [*(term.product for term in breakdown.terms), breakdown.rest, breakdown.value]
    np.testing.assert_allclose([float(product) for product in products], expected, atol=3e-3 * largest)


def test_one_channel_alone_has_no_others() -> None:
    rows = write_sum(Breakdown((0, 0), (Term(0, -0.5, 2.0, -1.0),), 0, 0.0, -1.0))
    assert [row.name for row in rows] == ["0", "Sum"]
    assert rows[0].weight == "−0.5"
    assert rows[1].product == "−1.000"


def test_nothing_is_written_as_nothing() -> None:
    breakdown = Breakdown((0, 0), (Term(0, 0.0, 1.0, 0.0),), 3, 0.0, 0.0)
    assert count_decimals(breakdown) == 3
    assert [row.product for row in write_sum(breakdown)] == ["0.000", "0.000", "0.000"]
    assert format_plain(-0.0001, 2) == "0.00"
