"""What the tests of methods share: a capture made of arrays, and a method run on it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from explain.methods import MethodResult, get_method
from explain.networks.layer import Layer
from explain.passes.capture import LayerCapture
from explain.passes.look import Ask, look_at
from explain.passes.runner import Runner


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


class SmallCnn(nn.Module):
    """Convolutions, trained batch normalisations, ReLUs in place, a skip connection and a linear head."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(2)
        self.inner = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6))
        self.act = nn.ReLU(inplace=True)
        self.last = nn.Sequential(nn.Conv2d(6, 9, 3, padding=1), nn.ReLU(inplace=True))
        self.head = nn.Linear(9, classes)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        stem = self.pool(self.stem(pictures))
        inner = self.inner(stem)
        inner += stem
        return self.head(self.last(self.act(inner)).mean((2, 3)))


def build_small_cnn(seed: int) -> SmallCnn:
    torch.manual_seed(seed)
    cnn = SmallCnn()
    for module in cnn.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight, module.bias, module.running_mean):
                nn.init.normal_(values, 0.3, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return cnn.eval().requires_grad_(False)


@dataclass(frozen=True)
class Case:
    """A small network, a picture of it and a class, with what a slow reference needs."""

    module: nn.Module
    picture: torch.Tensor
    layer: Layer
    target: int = 1

    def score(self, picture: torch.Tensor) -> float:
        """The class's logit for one picture `(1, C, H, W)` or `(C, H, W)`."""
        with torch.no_grad():
            return float(self.module(picture.reshape(1, *picture.shape[-3:]).clone())[0, self.target])

    def capture(self) -> LayerCapture:
        """What the engine would give to a method."""
        ask = Ask(self.target)
        (look,) = look_at(self.module, self.picture, (self.layer,), (ask,))
        name = self.layer.name
        runner = Runner(self.module, self.picture, self.layer, self.target, "logit")
        return LayerCapture(
            self.layer, self.target, look.logits, look.activations[name], look.gradients[name, ask], runner=runner
        )


@pytest.fixture(params=range(4))
def case(request: pytest.FixtureRequest) -> Case:
    """A small CNN of other weights each time and another picture, explained at `last`."""
    module = build_small_cnn(request.param)
    return Case(module, torch.randn(1, 3, 12, 16), Layer("last", (6, 8), 9, "NCHW"))


@pytest.fixture
def early_case(case: Case) -> Case:
    """The same, explained in the middle, where a skip connection has just come in."""
    return replace(case, layer=Layer("act", (6, 8), 6, "NCHW"))


@pytest.fixture
def run() -> Callable[..., MethodResult]:
    """`(name, case, **settings) -> MethodResult`, checking that the network is left as it was."""

    def run_method(name: str, case: Case, **settings: Any) -> MethodResult:
        method = get_method(name)
        capture, before = case.capture(), copy.deepcopy(case.module.state_dict())
        modes = [module.training for module in case.module.modules()]
        with torch.no_grad():
            result = method.function(capture, method.settings(**settings))
        assert result.values.dtype == torch.float32 and not result.values.requires_grad
        for key, value in case.module.state_dict().items():
            assert torch.equal(value, before[key]), key
        for module in case.module.modules():
            assert not module._forward_hooks and not module._forward_pre_hooks and not module._backward_hooks
            assert "forward" not in vars(module)
        assert modes == [module.training for module in case.module.modules()]
        return result

    return run_method


@pytest.fixture
def enlarge() -> Callable[[np.ndarray, int, int], np.ndarray]:
    """`(map (h, w), H, W) -> (H, W)`: bilinear with half-pixel centres, a pixel at a time."""

    def enlarge_slowly(values: np.ndarray, height: int, width: int) -> np.ndarray:
        rows, columns = values.shape
        large = np.zeros((height, width))
        for i in range(height):
            for j in range(width):
                y = min(max((i + 0.5) * rows / height - 0.5, 0), rows - 1)
                x = min(max((j + 0.5) * columns / width - 0.5, 0), columns - 1)
                top, left = int(y), int(x)
                bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
                v, u = y - top, x - left
                large[i, j] = (1 - v) * ((1 - u) * values[top, left] + u * values[top, right]) + v * (
                    (1 - u) * values[bottom, left] + u * values[bottom, right]
                )
        return large

    return enlarge_slowly
