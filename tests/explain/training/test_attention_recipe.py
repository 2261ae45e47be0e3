"""Which settings suit a network, which networks none suit, and the step size."""

from dataclasses import replace

import pytest
import torch

from explain.errors import ModelError
from explain.models.loaded import LoadedModel
from explain.networks.layer import Layer
from explain.training.attention_recipe import AttentionRecipe, choose_attention_recipe, find_cycle_rate, find_layers
from tests.support.attention import build_classifier


@pytest.fixture(scope="module")
def classifier() -> LoadedModel:
    return build_classifier()


def test_what_hides_follows_from_the_kind_of_network(classifier: LoadedModel) -> None:
    assert choose_attention_recipe(classifier) == AttentionRecipe(hidden="black")
    tokens = replace(classifier, layers=(Layer("first", (4, 4), 6, "NLC", 1),))
    assert choose_attention_recipe(tokens).hidden == "mean"
    published = choose_attention_recipe(classifier, "published")
    assert (published.optimiser, published.learning_rate, published.epochs) == ("sgd", 1e-3, 8)
    with pytest.raises(ModelError, match="There is: published"):
        choose_attention_recipe(classifier, "mine")


def test_a_model_that_nothing_can_be_trained_for_is_a_sentence(classifier: LoadedModel) -> None:
    for unfit, reason in (
        (replace(classifier, outputs="value"), "answers with a value"),
        (replace(classifier, layers=()), "no layer"),
    ):
        with pytest.raises(ModelError, match=reason):
            choose_attention_recipe(unfit)


def test_layers_by_name(classifier: LoadedModel) -> None:
    chosen = find_layers(AttentionRecipe(layers=" second , first "), classifier)
    assert [layer.name for layer in chosen] == ["second", "first"]  # the first gives the grid


@pytest.mark.parametrize("share", [0.0, 0.1, 0.29, 0.31, 0.5, 0.999])
def test_the_step_size_is_torchs_one_cycle(share: float) -> None:
    steps = 1000
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, total_steps=steps + 1, cycle_momentum=False)
    for _ in range(round(share * steps)):
        optimiser.step()
        cycle.step()
    recipe = AttentionRecipe(learning_rate=0.01)
    assert find_cycle_rate(recipe, share) == pytest.approx(cycle.get_last_lr()[0], rel=0.02, abs=1e-6)
