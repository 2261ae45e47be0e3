"""What each of a few regions adds, whichever others are there: exact Shapley values (Shapley, "A Value for n-Person
Games", 1953; Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017, equation 4).
"""

from __future__ import annotations

from math import factorial

import numpy as np

MOST_SHARED = 8
"""Regions whose shares are worked out: each more would double the passes, of which there are 256 a fill."""


def list_coalitions(count: int) -> np.ndarray:
    """Every choice of some of so many regions, `(2^count, count)` bool. In row `k` those are in whose bit of `k` is
    set: the first row is nothing, the last is all of them.
    """
    rows: np.ndarray = (np.arange(1 << count)[:, None] >> np.arange(count)) & 1 == 1
    return rows


def share_out(values: np.ndarray) -> np.ndarray:
    """The Shapley value of each region: what it adds to those that are there, over all orders in which they may come.

    Args:
        values: what each coalition is worth, in the order of `list_coalitions`, `(2^n, ...)`.

    Returns:
        `(n, ...)`. They sum to what all are worth together less what nothing is worth.
    """
    count = len(values).bit_length() - 1
    rows = np.arange(len(values))
    sizes = list_coalitions(count).sum(1)
    orders = np.array([factorial(size) * factorial(count - size - 1) for size in range(count)]) / factorial(count)
    shares = []
    for region in range(count):
        without = rows[(rows >> region) & 1 == 0]
        added = values[without | (1 << region)] - values[without]
        shares.append(np.tensordot(orders[sizes[without]], added, axes=1))
    return np.stack(shares)
