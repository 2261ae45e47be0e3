"""ADCC beside its equations, place by place."""

from dataclasses import replace

import numpy as np
import pytest

from explain.faithfulness.measures import MEASURES
from tests.support.removal import SIDE, build_examined, build_network, build_picture, measure

ADCC = MEASURES["adcc"]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("coherence", [-0.4, 0.0, 0.8])
def test_it_follows_its_equations(seed: int, coherence: float) -> None:
    examined, picture, network = build_examined(seed), build_picture(seed), build_network(seed)
    highest = max(examined.cells.ravel())
    shown, total = np.zeros_like(picture), 0.0
    for row in range(SIDE):
        for column in range(SIDE):
            share = examined.cells[row, column] / highest
            shown[row, column] = picture[row, column] * share
            total += abs(share)
    before, after = network(picture), network(shown)
    drop = max(0.0, before - after) / before
    complexity = total / SIDE**2
    expected = 3 / (1 / ((coherence + 1) / 2) + 1 / (1 - complexity) + 1 / (1 - drop))
    found = measure(ADCC, replace(examined, coherence=coherence), picture, network)
    assert found == pytest.approx(100 * expected, abs=1e-4)


def test_one_part_of_nothing_leaves_nothing_and_without_a_look_there_is_no_figure() -> None:
    examined, picture, network = build_examined(0), build_picture(0), build_network(0)
    assert measure(ADCC, replace(examined, coherence=-1.0), picture, network) == 0.0
    assert np.isnan(measure(ADCC, examined, picture, network))
    everything = replace(examined, cells=np.ones((SIDE, SIDE)), shown=np.ones((SIDE, SIDE), np.float32), coherence=1.0)
    assert measure(ADCC, everything, picture, network) == 0.0  # all of the picture is no explanation
