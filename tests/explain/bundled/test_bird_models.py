"""The models of the procedural birds, as they ship: what they get right, and that their cards say so."""

import json
import re
from dataclasses import asdict

import pytest
import safetensors.torch
import torch

from explain.bundled.making.aviary import draw_examples, normalise
from explain.bundled.making.recipes import RECIPES, Recipe
from explain.bundled.models import MODELS_FOLDER, bundled_models
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


@pytest.mark.parametrize("name", ["birds-cnn", "birds-vit", "birds-vit-prompts"])
def test_recipes_in_the_files_are_those_of_the_command(name: str) -> None:
    with safetensors.safe_open(MODELS_FOLDER / f"{name}.safetensors", "pt") as file:
        recipes = json.loads(file.metadata()["recipe"])
    wanted = [json.loads(json.dumps(asdict(recipe))) for recipe in RECIPES[name]]
    # What a file does not name was added later, and was as the default is.
    assert [{**asdict(Recipe(1, 0.0, "", 0.0)), **recipe} for recipe in recipes] == wanted


def test_cards_say_what_was_measured() -> None:
    for model in bundled_models():
        card = (MODELS_FOLDER / model.card).read_text(encoding="utf-8")
        for accuracy in (model.accuracy, model.prompts_accuracy):
            if accuracy is not None:
                assert f"{accuracy:.2f} %" in re.sub(r"\*", "", card)


def test_the_bird_models_are_small() -> None:
    sizes = {name: (MODELS_FOLDER / f"{name}.safetensors").stat().st_size for name in RECIPES if "birds" in name}
    assert sizes["birds-cnn"] < 1.5e6
    assert sizes["birds-vit"] + sizes["birds-vit-prompts"] < 2.5e6
