"""How sure a figure over pictures is, and the difference of two methods on the same pictures: the paired bootstrap.

Pictures are drawn anew, with replacement, from those that were measured, for all methods together: what two methods
differ by on the same pictures is less uncertain than either by itself (Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993, chapters 8 and 13). Where pictures belong together, such as those of a patient, whole groups are
drawn: pictures of one group are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

DRAWS = 10_000
COVER = 0.95
"""Of an interval: how often it holds the figure over all pictures."""

ERROR = 1 - COVER
"""The chance of telling any two methods apart that are alike, at most, over all comparisons of a measure (Holm)."""

_NUMBERS_AT_ONCE = 2**22

Statistic = Literal["mean", "median"]


@dataclass(frozen=True)
class Estimate:
    """A figure over pictures.

    Attributes:
        value: the figure.
        low: where its interval begins.
        high: where it ends.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, drawn: np.ndarray) -> Estimate:
        """From a figure and its draws; see `redraw`. The interval is that of percentiles."""
        low, high = np.quantile(drawn[1:], ((1 - COVER) / 2, (1 + COVER) / 2))
        return cls(float(drawn[0]), float(low), float(high))


def redraw(
    values: np.ndarray, statistic: Statistic, seed: int, groups: np.ndarray | None = None, draws: int = DRAWS
) -> np.ndarray:
    """A statistic over pictures as they are, and over pictures drawn anew.

    Args:
        values: a row a picture, `(n, columns)`, finite.
        statistic: mean or median of each column.
        seed: of the draws.
        groups: to which group each picture belongs, `(n,)` integers; each by itself where left out.
        draws: how many.

    Returns:
        `(1 + draws, columns)`, the first of the pictures as they are. The same draws for every column.
    """
    _, belongs = np.unique(np.arange(len(values)) if groups is None else groups, return_inverse=True)
    count = int(belongs.max()) + 1
    dice = np.random.default_rng(seed)
    found = [_find(np.ones((1, count)), values, belongs, statistic)]
    at_once = max(_NUMBERS_AT_ONCE // max(count, len(values)), 1)
    for start in range(0, draws, at_once):
        some = min(at_once, draws - start)
        drawn = dice.integers(0, count, (some, count)) + np.arange(some)[:, None] * count
        weights = np.bincount(drawn.ravel(), minlength=some * count).reshape(some, count).astype(np.float64)
        found.append(_find(weights, values, belongs, statistic))
    return np.concatenate(found)


def _find(weights: np.ndarray, values: np.ndarray, belongs: np.ndarray, statistic: Statistic) -> np.ndarray:
    """The statistic of each column where each group counts as often as its weight, `(rows of weights, columns)`."""
    if statistic == "mean":
        sums = np.stack([np.bincount(belongs, column, weights.shape[1]) for column in values.T], axis=1)
        means: np.ndarray = (weights @ sums) / (weights @ np.bincount(belongs, minlength=weights.shape[1]))[:, None]
        return means
    return np.stack([_find_medians(weights[:, belongs], column) for column in values.T], axis=1)


def _find_medians(weights: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The median of a column where each value counts as often as its weight: of an even number the middle of two."""
    order = np.argsort(column, kind="stable")
    ordered, reached = column[order], weights[:, order].cumsum(1)
    half = reached[:, -1:] / 2
    lower, upper = (reached >= half).argmax(1), (reached > half).argmax(1)
    medians: np.ndarray = (ordered[lower] + ordered[upper]) / 2
    return medians


def find_chance(drawn: np.ndarray) -> float:
    """How likely a difference as far from nothing is where there is none, 0…1, both ways; see `redraw`. It is never 0:
    of 9,999 draws the least is 2 in 10,000 (Davison and Hinkley, "Bootstrap Methods and their Application", 1997,
    section 4.2).
    """
    draws = drawn[1:]
    fewer = min((draws <= 0).sum(), (draws >= 0).sum())
    return min(1.0, 2 * float(1 + fewer) / (1 + len(draws)))


def adjust_chances(chances: Sequence[float]) -> list[float]:
    """Chances of several comparisons, each as large as it must be for any of them to be believed (Holm, "A Simple
    Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979).
    """
    adjusted = [0.0] * len(chances)
    highest = 0.0
    for rank, number in enumerate(np.argsort(chances, kind="stable").tolist()):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[number]))
        adjusted[number] = highest
    return adjusted
