"""Prompt-CAM's map: a plain mean over the first heads of the ranking."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from explain.methods import MethodResult, get_method
from explain.networks.layer import Layer
from explain.passes.capture import LayerCapture
from explain.passes.prompts import HeadRanking, PromptCapture


def draw(attention: np.ndarray, ranking: tuple[int, ...], traits: int | None = None) -> MethodResult:
    steps = tuple(0.1 * i for i in range(len(ranking)))
    heads = HeadRanking(ranking, steps, steps, steps)
    prompts = PromptCapture(torch.from_numpy(attention.astype(np.float32)), heads, torch.zeros(4))
    layer = Layer("blocks.0.norm1", attention.shape[1:], 8, "NLC", 1)
    capture = LayerCapture(layer, 2, torch.zeros(4), torch.zeros(8, *attention.shape[1:]), prompts=prompts)
    method = get_method("prompt-cam")
    settings = method.settings() if traits is None else method.settings(traits=traits)
    return method.function(capture, settings)


@pytest.mark.parametrize("traits", [1, 2, 3, 6, 16])
@pytest.mark.parametrize("seed", range(8))
def test_equals_the_mean_of_the_first_heads(seed: int, traits: int) -> None:
    rng = np.random.default_rng(seed)
    heads = 6
    attention = rng.uniform(size=(heads, 3, 5))
    ranking = tuple(int(head) for head in rng.permutation(heads))
    expected = np.zeros((3, 5))
    used = min(traits, heads)  # a model with fewer heads than asked for shows all it has
    for head in ranking[:used]:
        expected += attention[head] / used
    found = draw(attention, ranking, traits)
    assert np.allclose(found.values.numpy(), expected, atol=1e-6)
    assert found.details["ranking"] == ranking
    assert np.array_equal(found.details["heads"], attention.astype(np.float32))


def test_shows_four_traits_unless_told() -> None:
    attention = np.random.default_rng(0).uniform(size=(6, 2, 2))
    assert np.allclose(draw(attention, (5, 0, 1, 2, 3, 4)).values.numpy(), attention[[5, 0, 1, 2]].mean(0))


def test_a_single_head_is_not_the_captures_own_memory() -> None:
    attention = np.ones((2, 2, 2))
    result = draw(attention, (1, 0), 1)
    result.values.zero_()
    assert result.details["heads"].all()


@pytest.mark.parametrize("traits", [0, 17, 1.5, "many"])
def test_traits_out_of_bounds(traits: object) -> None:
    with pytest.raises(ValidationError):
        get_method("prompt-cam").settings(traits=traits)
