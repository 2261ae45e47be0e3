"""ROAD beside its definition, with the holes filled by a system of equations that is written out."""

import numpy as np
import pytest

from explain.faithfulness.imputation import draw_noise
from explain.faithfulness.measures import MEASURES
from tests.explain.faithfulness.test_imputation import solve
from tests.support.removal import build_examined, build_network, build_picture, measure, sort_cells


@pytest.mark.parametrize("seed", range(3))
def test_road_is_half_the_distance_of_both_orders(seed: int) -> None:
    examined, picture, network = build_examined(seed), build_picture(seed), build_network(seed)
    noise = draw_noise(picture.shape, seed)
    order = sort_cells(examined)
    differences = []
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        count = int(np.floor(share * len(order) + 0.5))
        left = []
        for cells in (order[::-1][:count], order[:count]):
            hole = np.zeros((8, 8), dtype=bool)
            for at in cells:
                hole[at] = True
            filled = solve(picture, hole) + noise * hole[..., None]
            left.append(network(filled))
        differences.append(left[0] - left[1])
    expected = sum(differences) / 5 / 2
    assert measure(MEASURES["road"], examined, picture, network) == pytest.approx(expected, abs=2e-3)
