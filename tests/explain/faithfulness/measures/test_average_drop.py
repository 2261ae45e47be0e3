"""Average drop, increase and gain beside their definitions."""

import numpy as np
import pytest

from explain.faithfulness.measures import MEASURES, Examined
from tests.support.removal import build_examined, build_network, build_picture, measure


@pytest.mark.parametrize("seed", range(6))
def test_they_follow_their_equations(seed: int) -> None:
    examined, picture, network = build_examined(seed), build_picture(seed), build_network(seed)
    before = network(picture)
    shown = np.zeros_like(picture)
    for row in range(8):
        for column in range(8):
            shown[row, column] = picture[row, column] * examined.cells[row, column] / examined.cells.max()
    after = network(shown)
    expected = {
        "average drop": 100 * max(0.0, before - after) / before,
        "increase": 100.0 if after > before else 0.0,
        "average gain": 100 * max(0.0, after - before) / (1 - before),
    }
    for name, value in expected.items():
        assert measure(MEASURES[name], examined, picture, network) == pytest.approx(value, abs=1e-4)


def test_a_map_that_covers_everything_is_best() -> None:
    ones = np.ones((8, 8))
    everything = Examined(ones, ones.astype(np.float32), ones > 0, 0)
    assert measure(MEASURES["average drop"], everything, build_picture(0), build_network(0)) == 0


def test_a_value_has_no_probability_to_lose() -> None:
    value = Examined(np.ones((8, 8)), np.ones((8, 8), np.float32), np.ones((8, 8), bool), 0, outputs="value")
    assert not MEASURES["average drop"].can_measure(value) and MEASURES["deletion"].can_measure(value)
