"""Finer-CAM against the difference of scores written out, class by class."""

import numpy as np
import pytest
import torch

from explain.methods import get_method
from explain.methods.finer_cam import Difference
from explain.networks.layer import Layer
from explain.passes.look import Ask, look_at

LAYER = Layer("features", (3, 2), 5, "NCHW")


class Network(torch.nn.Module):
    def __init__(self, classes: int = 6) -> None:
        super().__init__()
        self.features = torch.nn.Conv2d(3, 5, 1)
        self.head = torch.nn.Linear(5, classes)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(picture).tanh().mean((2, 3)))


def compare_slowly(scores: list[float], target: int, classes: int) -> list[int]:
    others = [index for index in range(len(scores)) if index != target]
    return sorted(others, key=lambda index: abs(scores[index] - scores[target]))[:classes]


@pytest.mark.parametrize("weighting", ["equal", "probability"])
@pytest.mark.parametrize("seed", range(8))
def test_equals_the_paper_written_out(seed, weighting, make_capture, draw):
    torch.manual_seed(seed)
    network, picture = Network().eval().requires_grad_(False), torch.randn(1, 3, 3, 2)
    method, target = get_method("finer-cam"), seed % 6
    settings = method.settings(gamma=[0.6, 1.0][seed % 2], classes=1 + seed % 4, weighting=weighting)
    ask = Ask(target, objective=method.objective(settings))
    (one,) = look_at(network, picture, [LAYER], [ask])
    capture = make_capture(one.activations["features"].numpy(), one.gradients["features", ask].numpy())
    found = draw("finer-cam", capture, **settings.model_dump()).values.numpy()

    activations = network.features(picture)[0].double().requires_grad_()
    scores = network.head.double()(activations.tanh().mean((1, 2)))
    similar = compare_slowly(scores.tolist(), target, settings.classes)
    total, weight = torch.zeros(()), torch.zeros(())
    for d in similar:
        share = scores.softmax(0)[d] if weighting == "probability" else torch.ones(())
        total = total + share * (scores[target] - settings.gamma * scores[d])
        weight = weight + share
    (gradients,) = torch.autograd.grad(total / weight, activations)
    expected = np.zeros((3, 2))
    for k in range(5):
        expected += gradients[k].mean().item() * activations[k].detach().numpy()
    assert np.allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_without_a_comparison_it_is_the_score_itself():
    scores = torch.tensor([1.0, 5.0, 3.0])
    assert Difference(0.0, 3, "equal")(scores, 2) == 3
    assert Difference(1.0, 20, "equal")(scores, 2) == pytest.approx(((3 - 1) + (3 - 5)) / 2)
    assert Difference(1.0, 1, "equal")(scores, 0) == 1 - 3


def test_a_model_of_one_class_says_that_there_is_nothing_to_compare(make_capture, draw):
    assert Difference(0.6, 3, "equal")(torch.tensor([4.0]), 0) == 4
    capture = make_capture(np.ones((1, 2, 2)), np.ones((1, 2, 2)), logits=torch.zeros(1))
    assert "no other class" in draw("finer-cam", capture).warnings[0]


def test_equal_settings_share_a_backward_pass():
    method = get_method("finer-cam")
    one, same = (method.objective(method.settings(gamma=0.5)) for _ in range(2))
    assert one == same and hash(one) == hash(same)
    assert one != method.objective(method.settings(gamma=0.6))


def test_impossible_probabilities_do_not_divide_by_zero():
    scores = torch.tensor([200.0, 0.0, -5.0], requires_grad=True)
    value = Difference(0.6, 2, "probability")(scores, 0)
    (gradient,) = torch.autograd.grad(value, scores)
    assert gradient.isfinite().all() and gradient[0] == 1
