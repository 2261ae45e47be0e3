"""Insertion, deletion, gain and AOPC beside their definitions, cell by cell."""

import numpy as np
import pytest

from explain.faithfulness.measures import MEASURES
from explain.faithfulness.measures.insertion import find_area
from tests.support.removal import (
    add_trapezoids,
    blur,
    build_examined,
    build_network,
    build_picture,
    measure,
    run_curve,
    sort_cells,
)

SEEDS = range(4)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("holes", [0, 3])
def test_insertion_is_the_area_as_the_picture_comes_out_of_a_blur(seed: int, holes: int) -> None:
    examined, picture, network = build_examined(seed, holes), build_picture(seed), build_network(seed)
    blurred, order = blur(picture), sort_cells(examined)
    start = picture.copy()
    start[examined.allowed] = blurred[examined.allowed]
    # From the blur, the picture itself is put in, the most marked first.
    expected = add_trapezoids(run_curve(examined, start, picture, network, order))
    assert measure(MEASURES["insertion"], examined, picture, network) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "filling"), [("deletion", np.zeros_like), ("deletion to blur", blur)])
def test_deletion_is_the_area_as_the_picture_is_hidden(seed: int, name: str, filling) -> None:
    examined, picture, network = build_examined(seed), build_picture(seed), build_network(seed)
    points = run_curve(examined, picture, filling(picture), network, sort_cells(examined))
    assert measure(MEASURES[name], examined, picture, network) == pytest.approx(add_trapezoids(points), abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_gain_is_the_mean_distance_of_both_orders(seed: int) -> None:
    examined, picture, network = build_examined(seed), build_picture(seed), build_network(seed)
    order, grey = sort_cells(examined), np.zeros_like(picture)
    most = run_curve(examined, picture, grey, network, order)
    least = run_curve(examined, picture, grey, network, order[::-1])
    expected = sum(least[step][1] - most[step][1] for step in range(1, 8)) / 7
    assert measure(MEASURES["gain"], examined, picture, network) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_aopc_is_the_mean_fall(seed: int) -> None:
    examined, picture, network = build_examined(seed), build_picture(seed), build_network(seed)
    points = run_curve(examined, picture, np.zeros_like(picture), network, sort_cells(examined))
    expected = sum(points[0][1] - score for _, score in points[1:]) / 8
    assert measure(MEASURES["aopc"], examined, picture, network) == pytest.approx(expected, abs=1e-6)


def test_the_area_follows_the_shares_that_were_really_hidden() -> None:
    assert find_area(np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.0, 0.0])) == pytest.approx(0.25)
    assert find_area(np.array([0.0, 0.1, 1.0]), np.array([1.0, 0.0, 0.0])) == pytest.approx(0.05)
    assert np.isnan(find_area(np.zeros(2), np.ones(2)))
