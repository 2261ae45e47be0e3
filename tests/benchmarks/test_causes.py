"""The benchmark of causes: its counting."""

import numpy as np
import torch

from benchmarks.causes import count, find_first, remove_by_whole_passes
from explain.faithfulness.channels import remove_each
from explain.faithfulness.effects import Answered, Change, Effect, Effects
from explain.passes.runner import Runner
from tests.support.engine import build_model


def make_effects(values: dict[str, float]) -> Effects:
    changes = {name: Change(np.full(4, value), np.zeros(4), None, np.zeros((19, 4))) for name, value in values.items()}
    return Effects(Answered("a", 0, 0.5, "a"), [Effect(name, 0.1, one, one, {}) for name, one in changes.items()])


def test_it_counts_how_often_the_trait_comes_first() -> None:
    asked = [make_effects({"bill": 2.0, "body": 1.0}), make_effects({"bill": 1.0, "body": 0.0, "eye": 3.0})]
    counted = count(asked, "bill")
    assert (counted.pictures, counted.first, counted.first_by_surplus, counted.first_by_probability) == (2, 1, 1, 1)
    assert (counted.stands_out, counted.others_stand_out, counted.others) == (2, 2, 3)
    assert find_first({"a": 1, "b": 2}) == "b"


def test_what_tails_are_timed_against_gives_the_same_scores() -> None:
    model = build_model("cnn")
    layer, tensor = model.layers[-2], torch.randn(1, 3, 32, 32)
    slow = remove_by_whole_passes(model.module, tensor, layer, batch=5)
    quick = remove_each(Runner(model.module, tensor, layer, 0, "logit"), torch.zeros(layer.channels, 1, 1))
    assert len(slow) == layer.channels and np.abs(quick[:-1] - slow).max() < 1e-3
    assert np.abs(slow - quick[-1]).max() > 0.1 and not model.module.get_submodule(layer.name)._forward_hooks
