"""Whether a best map is named only where one is better than the others beyond noise."""

import numpy as np

from explain.faithfulness.best import find_best
from tests.explain.faithfulness.test_hiding import make_bank, make_smooth


def find(weights: np.ndarray, maps: dict[str, np.ndarray], noise: float = 0.3, seed: int = 0) -> str | None:
    banks = [make_bank(weights, seed=seed, noise=noise), make_bank(weights, seed=seed, noise=noise)]
    baselines = {"chance": make_smooth(500 + seed)}
    return find_best(maps, baselines, banks, 0, seed).name


def test_the_true_map_is_named_and_its_twin_takes_that_away() -> None:
    weights = make_smooth(1) ** 3
    assert find(weights, {"true": weights, "other": make_smooth(2), "third": make_smooth(3)}) == "true"
    twin = weights + 0.05 * make_smooth(9)
    assert find(weights, {"true": weights, "twin": twin, "other": make_smooth(2)}) is None
    assert find(weights, {"true": weights, "same": 2 * weights, "other": make_smooth(2)}) == "true and same"


def test_maps_of_no_meaning_are_hardly_ever_named() -> None:
    named = 0
    for seed in range(24):
        # What the network answers has nothing to do with any place.
        named += (
            find(np.zeros((8, 8)), {name: make_smooth(10 * seed + at) for at, name in enumerate("abc")}, 1, seed)
            is not None
        )
    assert named <= 2


def test_a_best_map_must_beat_what_means_nothing() -> None:
    weights = make_smooth(1) ** 3
    banks = [make_bank(weights, noise=0.1)]
    best = find_best({"a": weights, "b": make_smooth(2)}, {"lucky": weights}, banks, 0, 0)
    assert best.name is None and best.unbeaten == ("lucky",) and "“lucky”" in best.sentence


def test_nothing_is_said_where_nothing_can_be_compared() -> None:
    weights = make_smooth(1)
    assert "no two different maps" in find_best({"a": weights}, {}, [make_bank(weights)], 0, 0).sentence
    assert "does not take the class away" in find_best({"a": weights, "b": make_smooth(2)}, {}, [], 0, 0).sentence
