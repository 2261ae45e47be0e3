"""Recipes: what is chosen for a set, the step size, and bounds."""

import json
from dataclasses import replace

import pytest

from explain.datasets.dataset import DataSet, Example
from explain.errors import ExplainError
from explain.models.loaded import LoadedModel
from explain.training.recipe import PromptRecipe, change_recipe, choose_recipe, find_learning_rate
from tests.support.training import make_set


def test_the_step_size_rises_and_falls() -> None:
    recipe = PromptRecipe(epochs=10, warm_up=2, learning_rate=0.5)
    assert find_learning_rate(recipe, 2) == pytest.approx(0.5)
    assert find_learning_rate(recipe, 6) == pytest.approx(0.25)
    assert find_learning_rate(recipe, 10) == pytest.approx(0)
    assert 0 < find_learning_rate(recipe, 0) < find_learning_rate(recipe, 1) < 0.5
    short = PromptRecipe(epochs=1, warm_up=20)
    assert find_learning_rate(short, 0) == short.learning_rate


def test_settings_follow_from_the_size_of_the_set(backbone: LoadedModel) -> None:
    few, more, many = (choose_recipe(make_named_set(count), backbone) for count in (4, 400, 40_000))
    assert few.variant == more.variant == many.variant == "last"  # on a CPU
    assert (few.epochs, more.epochs, many.epochs) == (80, 60, 10)
    assert few.batch == more.batch < many.batch
    for recipe in (few, more, many):
        assert recipe.warm_up < recipe.epochs and 0 < recipe.patience < recipe.epochs
    on_gpu = replace(backbone, module=backbone.module.to("meta"))
    assert choose_recipe(make_named_set(400), on_gpu).variant == "last"
    assert choose_recipe(make_named_set(40_000), on_gpu).variant == "deep"


def make_named_set(count: int) -> DataSet:
    """So many training pictures that nobody looks at."""
    return DataSet(("a", "b"), tuple(Example("", str(number), number % 2, "train", b"") for number in range(count)))


def test_settings_out_of_bounds_are_told_in_a_sentence(backbone: LoadedModel) -> None:
    recipe = choose_recipe(make_set(), backbone)
    assert change_recipe(recipe, {"epochs": 7}).epochs == 7
    with pytest.raises(ExplainError, match="Epochs cannot be 0"):
        change_recipe(recipe, {"epochs": 0})
    with pytest.raises(ExplainError, match="no setting “speed”"):
        change_recipe(recipe, {"speed": 1})
    assert json.loads(recipe.model_dump_json()) == recipe.model_dump()
