"""What the tests of methods share: a capture made of arrays, and a method run on it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from explain.capture import LayerCapture
from explain.layers import Layer
from explain.methods import MethodResult, get_method


def _make(activations: np.ndarray, gradients: np.ndarray | None = None, **others: Any) -> LayerCapture:
    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.float32))

    channels, rows, columns = activations.shape
    others = {name: tensor(value) if isinstance(value, np.ndarray) else value for name, value in others.items()}
    return LayerCapture(
        layer=Layer("layer", (rows, columns), channels, "NCHW"),
        target=others.pop("target", 0),
        logits=others.pop("logits", torch.zeros(3)),
        activations=tensor(activations),
        gradients=None if gradients is None else tensor(gradients),
        **others,
    )


def _draw(name: str, capture: LayerCapture, **settings: Any) -> MethodResult:
    method = get_method(name)
    kept = [value.clone() for value in (capture.activations, capture.gradients) if value is not None]
    result = method.function(capture, method.settings(**settings))
    assert result.values.dtype == torch.float32 and result.values.shape == capture.activations.shape[1:]
    for before, after in zip(kept, (capture.activations, capture.gradients), strict=False):
        assert torch.equal(before, after), "the method changed its capture"
    return result


@pytest.fixture
def make_capture() -> Callable[..., LayerCapture]:
    """`(activations (C, h, w), gradients, **fields) -> LayerCapture`, of arrays."""
    return _make


@pytest.fixture
def draw() -> Callable[..., MethodResult]:
    """`(name, capture, **settings) -> MethodResult`, checking its type and that the capture is left alone."""
    return _draw


@pytest.fixture(params=range(8))
def random_maps(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Activations and gradients `(C, h, w)` of a random size: ReLU'd as in a CNN, or signed as in a transformer."""
    rng = np.random.default_rng(request.param)
    shape = (int(rng.integers(1, 20)), int(rng.integers(1, 8)), int(rng.integers(1, 8)))
    activations, gradients = rng.normal(size=shape), rng.normal(size=shape) * 10.0 ** -rng.integers(0, 4)
    if request.param % 2 == 0:
        activations = np.maximum(activations, 0)
    return activations.astype(np.float32).astype(float), gradients.astype(np.float32).astype(float)
