"""FullGrad against a network written out with every bias as a map that can be differentiated."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from explain.errors import MethodError
from explain.networks.torchvision_operators import declare_missing_operators

declare_missing_operators()

from timm.layers import BatchNormAct2d  # noqa: E402


def split_slowly(case: Any) -> tuple[float, list[np.ndarray]]:
    """The score, and what the picture and each bias contribute, the picture first and then in the pass's order."""
    biases: list[torch.Tensor] = []

    def add(values: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        spread = bias.reshape(1, -1, *[1] * (values.ndim - 2)).expand_as(values).clone().requires_grad_(True)
        biases.append(spread)
        return values + spread

    def convolve(values: torch.Tensor, layer: nn.Conv2d) -> torch.Tensor:
        values = functional.conv2d(values, layer.weight, padding=1)
        return values if layer.bias is None else add(values, layer.bias)

    def normalise(values: torch.Tensor, layer: nn.BatchNorm2d) -> torch.Tensor:
        scale = layer.weight / torch.sqrt(layer.running_var + layer.eps)
        return add(values * scale[:, None, None], layer.bias - layer.running_mean * scale)

    module = case.module
    own = case.picture.clone().requires_grad_(True)
    with torch.enable_grad():
        stem = functional.max_pool2d(functional.relu(normalise(convolve(own, module.stem[0]), module.stem[1])), 2)
        inner = functional.relu(normalise(convolve(stem, module.inner[0]), module.inner[1]) + stem)
        last = functional.relu(convolve(inner, module.last[0])).mean((2, 3))
        score = add(last @ module.head.weight.T, module.head.bias)[0, case.target]
        gradients = torch.autograd.grad(score, [own, *biases])
    parts = zip(gradients, [own, *biases], strict=True)
    return float(score.detach()), [(gradient * part).detach()[0].numpy().astype(float) for gradient, part in parts]


def test_follows_the_paper(case: Any, run: Any, enlarge: Any) -> None:
    _, parts = split_slowly(case)
    expected = np.zeros((12, 16))
    for part in parts:
        if part.ndim != 3:
            continue
        for channel in np.abs(part):
            span = channel.max() - channel.min()
            if span:
                expected += enlarge((channel - channel.min()) / span, 12, 16)
    found = run("fullgrad", case).values.numpy()
    assert np.allclose(found, expected, atol=1e-4 * expected.max())


def test_with_signs(case: Any, run: Any, enlarge: Any) -> None:
    _, parts = split_slowly(case)
    expected = sum(enlarge(part.sum(0) / part[0].size, 12, 16) for part in parts if part.ndim == 3)
    found = run("fullgrad", case, signs="kept").values.numpy()
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_contributions_add_up_to_the_score(case: Any, run: Any) -> None:
    score, parts = split_slowly(case)
    assert abs(sum(part.sum() for part in parts) - score) < 1e-4 * max(1, abs(score))
    result = run("fullgrad", case)
    assert abs(result.details["score"] - score) < 1e-4 * max(1, abs(score))
    assert abs(result.details["sum"] - score) < 1e-4 * max(1, abs(score))
    assert not result.warnings


def test_a_normalisation_that_holds_its_activation(case: Any, run: Any) -> None:
    """timm's: the bias is added before the ReLU inside."""
    before = run("fullgrad", case).values
    joined = BatchNormAct2d(6).eval().requires_grad_(False)
    joined.load_state_dict(case.module.stem[1].state_dict())
    case.module.stem[1], case.module.stem[2] = joined, nn.Identity()
    after = run("fullgrad", case)
    assert torch.allclose(after.values, before, rtol=1e-4)
    assert not after.warnings


def test_what_is_not_linear_piece_by_piece_is_said(case: Any, run: Any) -> None:
    case.module.stem[2] = nn.SiLU()
    case.module.act = nn.SiLU()
    result = run("fullgrad", case)
    missed = abs(result.details["sum"] - result.details["score"]) > 0.05 * abs(result.details["score"])
    assert missed and "not linear" in result.warnings[0]
    case.module.stem[1] = nn.GroupNorm(2, 6).eval()
    with pytest.raises(MethodError, match=r"GroupNorm.*Integrated Gradients"):
        run("fullgrad", case)
