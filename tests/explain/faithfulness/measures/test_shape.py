"""Sparseness and complexity beside their definitions."""

import math
from dataclasses import replace

import numpy as np
import pytest

from explain.faithfulness.measures import MEASURES
from tests.support.removal import build_examined


@pytest.mark.parametrize("seed", range(3))
def test_they_follow_their_equations(seed: int) -> None:
    examined = build_examined(seed)
    values = [float(value) for value in examined.cells.ravel()]
    # Gini: half the mean distance of all pairs, in units of the mean.
    pairs = sum(abs(one - other) for one in values for other in values) / len(values) ** 2
    gini = pairs / (2 * sum(values) / len(values))
    assert MEASURES["sparseness"].function(examined) == pytest.approx(gini)
    entropy = -sum(value / sum(values) * math.log(value / sum(values)) for value in values if value > 0)
    assert MEASURES["complexity"].function(examined) == pytest.approx(entropy)


def test_one_cell_and_all_alike() -> None:
    one, all_alike = np.zeros((8, 8)), np.ones((8, 8))
    one[3, 4] = 2.0
    for name, expected in (("sparseness", [63 / 64, 0]), ("complexity", [0, math.log(64)])):
        figures = [MEASURES[name].function(replace(build_examined(0), cells=cells)) for cells in (one, all_alike)]
        assert figures == pytest.approx(expected)
