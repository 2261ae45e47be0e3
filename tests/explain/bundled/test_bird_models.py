"""The models of the procedural birds, as they ship: what they get right, and that they are small."""

import pytest
import torch

from explain.bundled.making.aviary import draw_examples, normalise
from explain.bundled.making.recipes import RECIPES
from explain.bundled.models import MODELS_FOLDER
from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.models.load import load_model
from explain.models.request import parse_model
from explain.pictures.decode import decode

FRESH = 5_000_000
"""The first of the seeds of no training, test or benchmark picture."""


@pytest.mark.parametrize("count", [96, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["birds-cnn", "birds-vit"])
def test_fresh_birds_are_named_right(name: str, count: int) -> None:
    model = load_model(parse_model(name))
    fresh = draw_examples(range(FRESH, FRESH + count))
    views = normalise(fresh.pictures)
    answers = [model.module] if model.prompted is None else [model.module, model.prompted]
    for answer in answers:
        with torch.inference_mode():
            named = torch.cat([answer(views[start : start + 100]).argmax(1) for start in range(0, len(views), 100)])
        assert (named == fresh.classes).float().mean() >= 0.95
    assert (model.prompted is not None) == (name == "birds-vit")


@pytest.mark.parametrize("name", ["birds-cnn", "birds-vit"])
def test_the_example_birds_are_named_right(name: str) -> None:
    engine = Engine()
    for entry in bundled_pictures():
        if entry.seed is not None:
            picture = decode(entry.path.read_bytes(), entry.path.name)
            assert engine.predict(picture, name, 1)[0].label == entry.classes[0]


def test_the_bird_models_are_small() -> None:
    sizes = {name: (MODELS_FOLDER / f"{name}.safetensors").stat().st_size for name in RECIPES if "birds" in name}
    assert sizes["birds-cnn"] < 1.5e6
    assert sizes["birds-vit"] + sizes["birds-vit-prompts"] < 2.5e6
