"""Guided backpropagation and the split of a score, against small networks worked out by hand."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from explain.errors import MethodError
from explain.passes.backward import Contribution, guide, split_score

CLASSES = 3


def first_class(scores: Tensor) -> Tensor:
    return scores[:, 0]


def freeze(module: nn.Module) -> nn.Module:
    return module.eval().requires_grad_(False)


def build_chain(seed: int) -> tuple[nn.Module, list[nn.Linear]]:
    torch.manual_seed(seed)
    linears = [nn.Linear(12, 7), nn.Linear(7, 6), nn.Linear(6, CLASSES)]
    return freeze(nn.Sequential(nn.Flatten(), linears[0], nn.ReLU(), linears[1], nn.ReLU(), linears[2])), linears


@pytest.mark.parametrize("seed", range(4))
def test_every_relu_hands_down_only_what_is_positive(seed: int) -> None:
    """Springenberg et al. 2015: the positive part of what comes from above, where the ReLU let something through."""
    module, (one, two, three) = build_chain(seed)
    picture = torch.randn(1, 3, 2, 2)
    before_one = one(picture.flatten(1))
    before_two = two(before_one.relu())
    handed = three.weight[0] * (before_two[0] > 0)
    handed = handed.clamp(min=0) @ two.weight * (before_one[0] > 0)
    expected = (handed.clamp(min=0) @ one.weight).reshape(3, 2, 2)
    found = guide(module, picture, first_class)
    assert torch.allclose(found, expected, atol=1e-6)
    assert found.shape == (3, 2, 2) and not found.requires_grad
    assert not any(part._backward_hooks or part._forward_hooks or part._forward_pre_hooks for part in module.modules())


@pytest.mark.parametrize(
    ("activations", "sentence"),
    [([nn.GELU()], "has no ReLU layers"), ([nn.ReLU(), nn.SiLU(), nn.GELU()], "1 ReLU layers beside 2 other")],
)
def test_a_network_of_other_activations_is_a_sentence(activations: list[nn.Module], sentence: str) -> None:
    module = freeze(nn.Sequential(nn.Flatten(), *activations, nn.Linear(12, CLASSES)))
    with pytest.raises(MethodError, match=sentence):
        guide(module, torch.randn(1, 3, 2, 2), first_class)


def test_gates_and_answers_are_no_activations_of_their_own() -> None:
    module = freeze(nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(12, CLASSES), nn.Softmax(1)))
    assert guide(module, torch.rand(1, 3, 2, 2), first_class).shape == (3, 2, 2)


def build_convolutions(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    norm = nn.BatchNorm2d(4)
    nn.init.normal_(norm.weight, 1.0, 0.3)
    nn.init.normal_(norm.bias)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    head = nn.Linear(4, CLASSES)
    return freeze(
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), norm, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head
        )
    )


def keep_all(part: Contribution) -> Contribution:
    return part


@pytest.mark.parametrize("seed", range(4))
def test_the_parts_add_up_to_the_score_and_each_is_gradient_times_bias(seed: int) -> None:
    module = build_convolutions(seed)
    convolution, norm, head = module[0], module[1], module[5]
    picture = torch.randn(1, 3, 6, 5)
    score, parts = split_score(module, picture, first_class, keep_all)
    assert score == pytest.approx(float(module(picture)[0, 0]), rel=1e-5)
    assert sum(float(part.values.sum()) for part in parts) == pytest.approx(score, rel=1e-4, abs=1e-5)

    # By hand: the norm is `scale · x + shift`; the average hands 1 / (h · w) to each place the ReLU lets through.
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - scale * norm.running_mean
    alive = norm(convolution(picture))[0] > 0
    to_norm = head.weight[0][:, None, None] * alive / (6 * 5)
    of_picture, *of_biases = parts
    expected = {
        "norm": to_norm * shift[:, None, None],
        "convolution": to_norm * (scale * convolution.bias)[:, None, None],
    }
    assert of_picture.spatial and of_picture.values.shape == (3, 6, 5)
    placed = [part.values for part in of_biases if part.spatial]
    assert len(placed) == 2 and len(of_biases) == 3, "a head keeps no places"
    for name, values in expected.items():
        assert any(torch.allclose(found, values, atol=1e-6) for found in placed), name
    (without,) = (part.values for part in of_biases if not part.spatial)
    assert torch.allclose(without, head.bias * torch.tensor([1.0, 0.0, 0.0]))


def test_only_what_is_wanted_is_kept_and_nothing_stays_on_the_network() -> None:
    module = build_convolutions(0)
    score, sums = split_score(module, torch.randn(1, 3, 6, 5), first_class, lambda part: float(part.values.sum()))
    assert sum(sums) == pytest.approx(score, rel=1e-4, abs=1e-5)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_a_score_that_does_not_depend_on_the_picture_has_parts_of_zero() -> None:
    module = build_convolutions(0)
    score, (of_picture, *_) = split_score(
        module, torch.randn(1, 3, 6, 5), lambda scores: scores.detach()[:, 0], keep_all
    )
    assert score != 0 and not of_picture.values.any()


@pytest.mark.parametrize("norm", [nn.LayerNorm(12), nn.GroupNorm(2, 12), nn.BatchNorm1d(12, track_running_stats=False)])
def test_a_network_that_normalises_by_what_it_sees_is_a_sentence(norm: Any) -> None:
    module = freeze(nn.Sequential(nn.Flatten(), norm, nn.Linear(12, CLASSES)))
    with pytest.raises(MethodError, match=f"normalises by what it sees .*{type(norm).__name__}"):
        split_score(module, torch.randn(1, 3, 2, 2), first_class, keep_all)
