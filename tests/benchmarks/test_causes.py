"""The benchmark of causes: its counting."""

from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.causes import count, find_first, measure_drawings, remove_by_whole_passes
from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
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


def test_drawings_are_timed_beside_real_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    model, engine = build_model("cnn"), Engine("cpu")
    monkeypatch.setattr("benchmarks.causes.bundled_pictures", lambda: bundled_pictures()[:2])
    monkeypatch.setattr(engine, "load", lambda _: model)
    draw = engine.draw
    asked = []

    def draw_quickly(loaded: Any, target: int, **given: Any) -> Any:
        asked.append((target, given))
        return draw(loaded, target, settings={"steps": 8, "crops": 1})

    monkeypatch.setattr(engine, "draw", draw_quickly)
    figures = measure_drawings(engine)
    # As a person starts with, but for the one that warms up.
    assert asked == [(0, {"settings": {"steps": 8}, "seed": 1}), *((number, {}) for number in range(6))]
    assert set(figures) == {"drawing_s", "drawing_probability", "best_real_probability", "drawings_above_real"}
    assert 0 <= figures["drawings_above_real"] <= 6 and 0 < figures["drawing_probability"] <= 1
