"""Guided backpropagation against a copy of the network with ReLUs that are written out."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from explain.errors import MethodError


class Guided(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(values)
        return values.clamp(min=0)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        (values,) = context.saved_tensors
        return torch.where((values > 0) & (gradient > 0), gradient, torch.zeros_like(gradient))


class GuidedRelu(nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return Guided.apply(values)


def guide_slowly(case: Any) -> np.ndarray:
    module = copy.deepcopy(case.module)
    module.stem[2] = module.act = module.last[1] = GuidedRelu()
    own = case.picture.clone().requires_grad_(True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(module(own)[0, case.target], [own])
    return gradient[0].numpy()


@pytest.mark.parametrize("channels", ["strongest", "sum"])
def test_follows_the_paper(case: Any, run: Any, channels: str) -> None:
    found = run("guided-backpropagation", case, channels=channels).values.numpy()
    gradients = guide_slowly(case)
    expected = np.abs(gradients).max(0) if channels == "strongest" else gradients.sum(0)
    assert np.abs(expected).max() > 0
    assert np.allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_a_relu_used_twice(case: Any, run: Any) -> None:
    separate = run("guided-backpropagation", case).values
    case.module.stem[2] = case.module.last[1] = case.module.act
    assert torch.allclose(run("guided-backpropagation", case).values, separate, rtol=1e-5)


@pytest.mark.parametrize("relus_left", [0, 1])
def test_a_network_of_other_activations_is_a_sentence(case: Any, run: Any, relus_left: int) -> None:
    case.module.stem[2] = nn.SiLU()
    case.module.act = nn.GELU()
    if not relus_left:
        case.module.last[1] = nn.GELU()
    for name in ("guided-backpropagation", "guided-grad-cam"):
        with pytest.raises(MethodError, match=r"ReLU.*Integrated Gradients"):
            run(name, replace(case))
