"""What moves the weights: which of them each optimiser takes, and filters of a fixed length."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from explain.bundled.architectures import build_photo_cnn, build_photo_vit
from explain.bundled.making.optimisers import build_optimiser, find_hidden, fix_norms
from explain.bundled.making.recipes import RECIPES


def test_muon_takes_the_matrices_of_a_vit_s_blocks_and_the_rest_is_left_to_adamw() -> None:
    vit = build_photo_vit()
    names = {id(parameter): name for name, parameter in vit.named_parameters()}
    taken = [names[id(parameter)] for parameter in find_hidden(vit)]
    ends = ("attn.qkv.weight", "attn.proj.weight", "mlp.fc1.weight", "mlp.fc2.weight")
    assert sorted(taken) == sorted(f"blocks.{block}.{end}" for block in range(6) for end in ends)

    recipe = RECIPES["photo-vit"][3]
    hidden, rest = build_optimiser(vit, recipe).param_groups
    assert [names[id(parameter)] for parameter in hidden["params"]] == taken
    assert {*taken} | {names[id(parameter)] for parameter in rest["params"]} == {*names.values()}
    assert (hidden["lr"], hidden["weight_decay"]) == (recipe.learning_rate, recipe.weight_decay)
    assert (rest["lr"], rest["weight_decay"], rest["use_fallback"]) == (recipe.rest_rate, 0.0, True)


def test_a_step_of_muon_is_as_long_in_every_direction() -> None:
    """Newton and Schulz make a matrix of gradients nearly orthogonal, whose singular values are all about one."""
    vit = build_photo_vit()
    weight = vit.blocks[0].mlp.fc2.weight
    before = weight.detach().clone()
    optimiser = build_optimiser(vit, replace(RECIPES["photo-vit"][3], weight_decay=0.0))
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    optimiser.step()
    singular = torch.linalg.svdvals(before - weight.detach()) / RECIPES["photo-vit"][3].learning_rate
    assert singular.min() > 0.6 and singular.max() < 1.3


def test_of_a_cnn_muon_takes_the_filters_that_learn() -> None:
    cnn = build_photo_cnn()
    cnn.stem.get_submodule("conv1.conv").requires_grad_(False)
    hidden = find_hidden(cnn)
    assert hidden and all(parameter.ndim == 4 and parameter.requires_grad for parameter in hidden)
    assert len(hidden) == sum(isinstance(module, torch.nn.Conv2d) for module in cnn.modules()) - 1


def test_filters_keep_their_length_and_answers_stay() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, bias=False), torch.nn.BatchNorm2d(8)).train()
    views = torch.randn(4, 3, 8, 8)
    before = network(views)
    filters = [parameter for parameter in network.parameters() if parameter.ndim == 4]
    fix_norms(filters)
    assert filters[0].flatten(1).square().sum(1).mean().item() == pytest.approx(1.0)
    assert torch.allclose(network(views), before, atol=1e-4)
