"""The benchmark of causes: its counting."""

import numpy as np

from benchmarks.causes import count, find_first
from explain.faithfulness.effects import Answered, Change, Effect, Effects


def make_effects(values: dict[str, float]) -> Effects:
    changes = {name: Change(np.full(4, value), np.zeros(4), None, np.zeros((19, 4))) for name, value in values.items()}
    return Effects(Answered("a", 0, 0.5, "a"), [Effect(name, 0.1, one, one, {}) for name, one in changes.items()])


def test_it_counts_how_often_the_trait_comes_first() -> None:
    asked = [make_effects({"bill": 2.0, "body": 1.0}), make_effects({"bill": 1.0, "body": 0.0, "eye": 3.0})]
    counted = count(asked, "bill")
    assert (counted.pictures, counted.first, counted.first_by_surplus, counted.first_by_probability) == (2, 1, 1, 1)
    assert (counted.stands_out, counted.others_stand_out, counted.others) == (2, 2, 3)
    assert find_first({"a": 1, "b": 2}) == "b"
