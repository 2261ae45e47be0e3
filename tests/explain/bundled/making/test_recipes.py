"""Recipes: what the files say they were made by."""

import json
from dataclasses import asdict

import pytest
import safetensors.torch

from explain.bundled.making.recipes import RECIPES, Recipe
from explain.bundled.models import MODELS_FOLDER


@pytest.mark.parametrize("name", ["photo-vit", "photo-vit-prompts", "birds-cnn", "birds-vit", "birds-vit-prompts"])
def test_recipes_in_the_files_are_those_of_the_command(name: str) -> None:
    with safetensors.safe_open(MODELS_FOLDER / f"{name}.safetensors", "pt") as file:
        recipes = json.loads(file.metadata()["recipe"])
    wanted = [json.loads(json.dumps(asdict(recipe))) for recipe in RECIPES[name]]
    # What a file does not name was added later, and was as the default is.
    assert [{**asdict(Recipe(1, 0.0, "", 0.0)), **recipe} for recipe in recipes] == wanted
