"""Shapley-CAM against a Hessian worked out whole, and against true Shapley values of a quadratic score."""

import itertools
import math

import numpy as np
import pytest
import torch

from explain.methods import get_method
from explain.networks.layer import Layer
from explain.passes.look import Ask, look_at

LAYER = Layer("features", (3, 2), 2, "NCHW")


class Network(torch.nn.Module):
    """A bent head behind one convolution, or a linear one."""

    def __init__(self, bent: bool) -> None:
        super().__init__()
        self.features = torch.nn.Conv2d(3, 2, 1)
        self.head = torch.nn.Linear(12, 4)
        self.bent = bent

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        features = self.features(picture)
        return self.head((features.tanh() if self.bent else features).flatten(1))


def look(seed: int, make_capture, bent: bool = True, **settings):
    torch.manual_seed(seed)
    network, picture = Network(bent).eval().requires_grad_(False), torch.randn(1, 3, 3, 2)
    method = get_method("shapley-cam")
    ask = Ask(2, objective=method.objective(method.settings(**settings)), curvature=True)
    (one,) = look_at(network, picture, [LAYER], [ask])
    at = ("features", ask)
    capture = make_capture(one.activations["features"].numpy(), one.gradients[at].numpy(), curvature=one.curvatures[at])
    return network, capture


def weigh_slowly(activations, score):
    """Gradient and Hessian element by element, in float64."""
    flat = activations.double().flatten()
    gradient = torch.autograd.functional.jacobian(score, flat).numpy()
    hessian = torch.autograd.functional.hessian(score, flat).numpy()
    values = flat.numpy()
    weights = np.zeros(len(values))
    for a in range(len(values)):
        weights[a] = gradient[a] - 0.5 * sum(hessian[a, b] * values[b] for b in range(len(values)))
    weights = weights.reshape(activations.shape).mean((1, 2))
    return sum(weights[k] * activations[k].double().numpy() for k in range(len(weights)))


@pytest.mark.parametrize("utility", ["score", "residual softmax"])
@pytest.mark.parametrize("seed", range(8))
def test_equals_the_paper_written_out(seed, utility, make_capture, draw):
    network, capture = look(seed, make_capture, utility=utility)
    head = network.head.double()

    def score(flat):
        scores = head(flat.tanh())
        return scores[2] if utility == "score" else scores[2] + (scores.exp() / scores.exp().sum()).log()[2]

    result = draw("shapley-cam", capture, utility=utility)
    expected = weigh_slowly(capture.activations, score)
    assert np.allclose(result.values, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert result.warnings == ()


def test_gives_the_shapley_values_of_a_quadratic_score(make_capture, draw):
    """Of one channel whose every value is a player: average what each adds over all orders of joining."""
    rng = np.random.default_rng(0)
    values, slope, bend = rng.normal(size=4), rng.normal(size=4), rng.normal(size=(4, 4))
    bend = bend + bend.T

    def score(present):
        x = values * present
        return slope @ x + 0.5 * x @ bend @ x

    expected = np.zeros(4)
    for order in itertools.permutations(range(4)):
        present = np.zeros(4)
        for player in order:
            before = score(present)
            present[player] = 1
            expected[player] += (score(present) - before) / math.factorial(4)
    gradients, curvature = slope + bend @ values, bend @ values
    # Each value in a channel of its own, so that nothing is averaged.
    maps = [np.diag(part)[:, None, :] for part in (values, gradients * 4, curvature * 4)]
    found = draw("shapley-cam", make_capture(maps[0], maps[1], curvature=maps[2])).values[0]
    assert np.allclose(found, expected, atol=1e-5)


def test_a_linear_score_is_grad_cam_and_says_so(make_capture, draw):
    _, capture = look(0, make_capture, bent=False)
    result = draw("shapley-cam", capture)
    assert np.allclose(result.values, draw("grad-cam", capture).values, atol=1e-6)
    assert len(result.warnings) == 1 and "linear" in result.warnings[0]
    _, capture = look(0, make_capture, bent=False, utility="residual softmax")
    assert draw("shapley-cam", capture, utility="residual softmax").warnings == ()
