"""Grad-CAM against equations 1 and 2 written out, cell by cell and channel by channel."""

import numpy as np
import pytest
import torch

from explain.methods import get_method
from explain.networks.layer import Layer
from explain.passes.capture import LayerCapture


def make_capture(activations: np.ndarray, gradients: np.ndarray) -> LayerCapture:
    channels, rows, columns = activations.shape
    return LayerCapture(
        Layer("layer", (rows, columns), channels, "NCHW"),
        0,
        torch.zeros(3),
        torch.from_numpy(activations.astype(np.float32)),
        torch.from_numpy(gradients.astype(np.float32)),
    )


def draw(capture: LayerCapture) -> np.ndarray:
    method = get_method("grad-cam")
    return method.function(capture, method.settings()).values.numpy()


def weigh_slowly(activations: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    channels, rows, columns = activations.shape
    cam = np.zeros((rows, columns))
    for k in range(channels):
        alpha = 0.0
        for i in range(rows):
            for j in range(columns):
                alpha += gradients[k, i, j] / (rows * columns)  # equation 1
        for i in range(rows):
            for j in range(columns):
                cam[i, j] += alpha * activations[k, i, j]  # equation 2, without its ReLU
    return cam


@pytest.mark.parametrize("seed", range(8))
def test_equals_the_paper_written_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 20)), int(rng.integers(1, 9)), int(rng.integers(1, 9)))
    activations, gradients = rng.normal(size=shape), rng.normal(size=shape)
    found = draw(make_capture(activations, gradients))
    assert found.dtype == np.float32
    assert np.allclose(found, weigh_slowly(activations, gradients), atol=1e-5)


def test_is_signed_and_not_normalised() -> None:
    activations = np.array([[[1.0, 2.0], [0.0, 3.0]]])
    found = draw(make_capture(activations, np.full((1, 2, 2), -10.0)))
    assert found.tolist() == [[-10, -20], [0, -30]]


def test_zero_gradients_give_zeros() -> None:
    assert not draw(make_capture(np.random.default_rng(0).normal(size=(4, 3, 5)), np.zeros((4, 3, 5)))).any()


def test_leaves_the_capture_alone() -> None:
    rng = np.random.default_rng(1)
    capture = make_capture(rng.normal(size=(4, 3, 5)), rng.normal(size=(4, 3, 5)))
    before = capture.activations.clone(), capture.gradients.clone()
    draw(capture)
    assert torch.equal(capture.activations, before[0]) and torch.equal(capture.gradients, before[1])
