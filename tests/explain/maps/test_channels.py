"""Ranking and sums of channels, against plain loops over the definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from explain.errors import MethodError
from explain.maps.channels import break_down, rank_channels
from explain.methods import all_methods, get_method
from explain.networks.layer import Layer
from explain.passes.capture import LayerCapture

SUMS = [name for name, method in all_methods().items() if method.formula is not None]


def make_capture(seed: int, gradients: bool = True) -> LayerCapture:
    random = np.random.default_rng(seed)
    shape = tuple(int(size) for size in random.integers((1, 1, 1), (20, 8, 8)))
    activations = random.normal(size=shape)
    if seed % 2:
        activations = np.maximum(activations, 0)
    gradient = random.normal(size=shape) * 10.0 ** -random.integers(0, 4)
    return LayerCapture(
        layer=Layer("layer", shape[1:], shape[0], "NCHW"),
        target=0,
        logits=torch.zeros(3),
        activations=torch.from_numpy(activations.astype(np.float32)),
        gradients=torch.from_numpy(gradient.astype(np.float32)) if gradients else None,
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_ranking_is_that_of_a_loop_over_channels(seed: int) -> None:
    capture = make_capture(seed)
    assert capture.gradients is not None
    found = []
    for k in range(len(capture.activations)):
        gradient = sum(capture.gradients[k].ravel().tolist()) / capture.gradients[k].numel()
        activation = sum(capture.activations[k].ravel().tolist()) / capture.activations[k].numel()
        found.append((abs(gradient * activation), k, gradient, activation))
    found.sort(key=lambda entry: -entry[0])
    ranking = rank_channels(capture, 5)
    assert [channel.index for channel in ranking.channels] == [entry[1] for entry in found[:5]]
    for channel, (_, k, gradient, activation) in zip(ranking.channels, found, strict=False):
        assert channel.gradient == pytest.approx(gradient)
        assert channel.activation == pytest.approx(activation)
        np.testing.assert_array_equal(channel.values, capture.activations[k].numpy())
    assert ranking.count == len(found)
    assert ranking.strength == pytest.approx(sum(entry[0] for entry in found))


@pytest.mark.parametrize("seed", range(4))
def test_all_contributions_add_up_to_the_mean_of_the_grad_cam_map(seed: int) -> None:
    capture = make_capture(seed)
    method = get_method("grad-cam")
    mean = float(method.function(capture, method.settings()).values.mean())
    ranking = rank_channels(capture, 10_000)
    assert ranking.total == pytest.approx(mean, rel=1e-4, abs=1e-7)
    assert sum(channel.contribution for channel in ranking.channels) == pytest.approx(ranking.total)


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("seed", range(8))
def test_what_channels_add_is_the_value_of_the_map(name: str, seed: int) -> None:
    capture, method = make_capture(seed), get_method(name)
    values = method.function(capture, method.settings()).values.numpy()
    size = float(np.abs(values).max())
    for place in ((0, 0), np.unravel_index(int(values.argmax()), values.shape)):
        row, column = (int(index) for index in place)
        parts = break_down(method, method.settings(), capture, (row, column))
        assert parts is not None
        assert parts.value == pytest.approx(values[row, column], rel=1e-4, abs=1e-5 * size)
        assert sum(term.product for term in parts.terms) + parts.rest == pytest.approx(parts.value, abs=1e-9)
        assert len(parts.terms) + parts.others == len(capture.activations)
        for term in parts.terms:
            assert term.weight * term.activation == pytest.approx(term.product)
        sizes = [abs(term.product) for term in parts.terms]
        assert sizes == sorted(sizes, reverse=True)


def test_the_five_methods_that_students_begin_with_can_be_shown() -> None:
    assert {"grad-cam", "hires-cam", "layer-cam", "grad-cam++", "eigen-cam"} <= set(SUMS)


def test_eigen_cam_without_centring_is_a_sum_too() -> None:
    capture, method = make_capture(1), get_method("eigen-cam")
    settings = method.settings.model_validate({"centre": False})
    values = method.function(capture, settings).values.numpy()
    parts = break_down(method, settings, capture, (0, 0), count=1)
    assert parts is not None
    assert parts.value == pytest.approx(values[0, 0], rel=1e-4)


@pytest.mark.parametrize("name", SUMS)
def test_a_layer_of_zeros_adds_up_to_zero(name: str) -> None:
    zeros = torch.zeros(4, 3, 3)
    capture = LayerCapture(Layer("layer", (3, 3), 4, "NCHW"), 0, torch.zeros(3), zeros, zeros)
    method = get_method(name)
    parts = break_down(method, method.settings(), capture, (1, 2))
    assert parts is not None
    assert parts.value == parts.rest == 0.0


def test_a_method_that_is_no_such_sum_has_no_breakdown() -> None:
    method = get_method("normgrad")
    assert break_down(method, method.settings(), make_capture(0), (0, 0)) is None


def test_refuses_what_it_cannot_rank() -> None:
    with pytest.raises(MethodError, match="gradients"):
        rank_channels(make_capture(0, gradients=False), 3)
    capture = make_capture(0)
    capture.activations[0, 0, 0] = float("nan")
    with pytest.raises(MethodError, match="no finite numbers"):
        rank_channels(capture, 3)
