"""Axes of space: enlarging, and every method that claims volumes draws the same map whatever the order of the axes."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from explain.errors import MethodError
from explain.methods import all_methods, get_method
from explain.methods import rise as rise_module
from explain.methods.space import enlarge, stand_before
from explain.networks.layer import Layer
from explain.passes.capture import LayerCapture
from explain.passes.look import Ask, look_at
from explain.passes.runner import Runner

_SIZE = (6, 8, 10)
_CELL = (2.5, 1.0, 0.5)
_TURNS = tuple(permutations(range(3)))[1:]
_FAST: dict[str, list[dict[str, Any]]] = {
    "cf-cam": [
        {},
        {"filter": "bilateral", "sigma": 1.5, "eps": 20.0},
        {"filtered": "gradients", "border": "zero", "weights": "spatial"},
        {"filter": "bilateral", "border": "zero", "weights": "softmax", "drop_noise": True, "eps": 25.0},
    ],
    "fem": [{}, {"combine": "activations", "k": 0.5}],
    "grad-cam++": [{}, {"absolute_eps": 1e-4}],
    "smooth-grad-cam++": [{"copies": 2, "noise": 0.0}],
    "rise": [{"masks": 40, "grid": 3}],
    "occlusion": [{"window": 45.0, "stride": 30.0}, {"window": 45.0, "stride": 30.0, "fill": "blur"}],
    "integrated-gradients": [{"steps": 8, "baseline": "blur"}],
    "fullgrad": [{}, {"signs": "kept"}],
    "score-cam": [{}, {"weights": "increase", "channels": 3}],
    "kpca-cam": [{}, {"kernel": "rbf"}],
    "normgrad": [
        {},
        {"inserted": "scaling"},
        {"inserted": "wide convolution"},
        {"inserted": "wide convolution", "positive": True},
    ],
    "shapley-cam": [{}, {"utility": "residual softmax"}],
}
"""Settings that every branch with places in it runs by, and few passes."""


class _SmallNet(nn.Module):
    """A network of volumes whose layer `act` is followed by convolutions, ReLUs and an average that is squared."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(2, 7, 3, padding=1), nn.BatchNorm3d(7), nn.ReLU())
        self.pool = nn.MaxPool3d(2)
        self.act = nn.Sequential(nn.Conv3d(7, 9, 3, padding=1), nn.ReLU())
        self.last = nn.Sequential(nn.Conv3d(9, 8, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(8, 3)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return self.head(self.last(self.act(self.pool(self.stem(volumes)))).square().mean((2, 3, 4)))


def _build(turn: tuple[int, ...]) -> _SmallNet:
    """The network for volumes whose axes of space are turned like that."""
    torch.manual_seed(3)
    net = _SmallNet().eval().requires_grad_(False)
    net.stem[1].running_mean.normal_(0, 0.3)
    net.stem[1].running_var.uniform_(0.5, 2)
    for part in net.modules():
        if isinstance(part, nn.Conv3d):
            part.weight.data.mul_(2)
            part.weight.data = part.weight.data.permute(0, 1, *(axis + 2 for axis in turn)).contiguous()
    return net


def _capture(turn: tuple[int, ...], name: str, settings: Any) -> LayerCapture:
    """What the engine gives a method of the one volume, whose axes of space are turned."""
    method = get_method(name)
    net = _build(turn)
    volume = torch.randn(1, 2, *_SIZE, generator=torch.Generator().manual_seed(1))
    turned = volume.permute(0, 1, *(axis + 2 for axis in turn)).contiguous()
    grid = tuple(_SIZE[axis] // 2 for axis in turn)
    layer = Layer("act", grid, 9, "NCDHW")
    ask = Ask(1, "logit", method.objective(settings) if method.objective else None, "curvature" in method.needs)
    (look,) = look_at(net, turned, (layer,), (ask,))
    return LayerCapture(
        layer,
        1,
        look.logits,
        look.activations["act"],
        look.gradients["act", ask],
        look.curvatures.get(("act", ask)),
        head=torch.randn(3, 9, generator=torch.Generator().manual_seed(2)),
        runner=Runner(net, turned, layer, 1, "logit"),
        cell=tuple(_CELL[axis] for axis in turn),
    )


def _list_cases() -> list[tuple[str, dict[str, Any]]]:
    claimed = [
        name
        for name, method in all_methods().items()
        if not method.needs & {"attention", "prompts", "trained attention"}
    ]
    return [(name, settings) for name in claimed for settings in _FAST.get(name, [{}])]


@pytest.mark.parametrize(("name", "given"), _list_cases(), ids=str)
def test_the_map_turns_with_the_axes(name: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    method = get_method(name)
    settings = method.settings(**given)
    with torch.no_grad():
        values = method.function(_capture((0, 1, 2), name, settings), settings).values
    size = _SIZE if method.place == "input" or values.shape == _SIZE else tuple(side // 2 for side in _SIZE)
    assert values.shape == size and values.dtype == torch.float32
    assert float(values.std()) > 1e-6 * float(values.abs().max()) > 0, "a flat map turns alike whatever is wrong"
    draw_masks = rise_module.draw_masks
    for turn in _TURNS if name not in ("occlusion", "rise") else _TURNS[2:3]:

        def draw_turned(settings: Any, _size: Any, turn: tuple[int, ...] = turn) -> tuple[torch.Tensor, torch.Tensor]:
            grids, shifts = draw_masks(settings, _SIZE)
            return grids.permute(0, *(axis + 1 for axis in turn)).contiguous(), shifts[:, list(turn)]

        monkeypatch.setattr(rise_module, "draw_masks", draw_turned)
        with torch.no_grad():
            turned = method.function(_capture(turn, name, settings), settings).values
        expected = values.permute(turn)
        assert turned.shape == expected.shape
        error = float((turned - expected).abs().max() / expected.abs().max())
        assert error <= 1e-4, f"{name} {turn}: off by {error:.2g} of its peak"


def test_numbers_of_a_cell_add_up_in_a_volume() -> None:
    for name in ("grad-cam", "cf-cam", "kpca-cam", "normgrad", "eigen-cam"):
        method = get_method(name)
        settings = method.settings()
        capture = _capture((0, 1, 2), name, settings)
        values = method.function(capture, settings).values
        assert method.formula is not None
        for place in ((0, 0, 0), (2, 1, 4), (1, 3, 2)):
            sums = method.formula.work_out(capture, settings, place)
            assert method.formula.combine(sums) == pytest.approx(float(values[place]), rel=1e-3, abs=1e-6), name


def test_sigma_is_as_long_along_every_axis() -> None:
    """A point in cells four times as deep as wide: smoothed by one cell across, a quarter of a cell in depth."""
    from explain.methods.cf_cam.filters import filter_maps
    from explain.methods.cf_cam.settings import CfCamSettings

    point = torch.zeros(1, 9, 9, 9)
    point[0, 4, 4, 4] = 1
    smoothed = filter_maps(point, CfCamSettings(sigma=1.0), (4.0, 1.0, 1.0))[0]
    for axis, sigma in ((0, 0.25), (1, 1.0), (2, 1.0)):
        radius = int(4 * sigma + 0.5)
        weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
        weights /= weights.sum()
        profile = (smoothed.sum([other for other in range(3) if other != axis])).numpy()
        expected = np.zeros(9)
        expected[4 - radius : 5 + radius] = weights
        assert profile == pytest.approx(expected, abs=1e-6), axis


def test_enlarging_is_separable_and_half_pixel() -> None:
    """Trilinear is linear along one axis after the other; a ramp stays a ramp between the outer middles."""
    ramp = torch.arange(4.0)
    large = enlarge(ramp[None, None], (8,))[0, 0]
    assert large.tolist() == [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]
    volume = torch.randn(2, 3, 2, 3, 4)
    whole = enlarge(volume, (5, 6, 7))
    step = torch.stack([enlarge(volume[:, :, at], (6, 7)) for at in range(2)], 2)
    expected = enlarge(step.movedim(2, -1).reshape(1, -1, 2), (5,)).reshape(2, 3, 6, 7, 5).movedim(-1, 2)
    assert torch.allclose(whole, expected, atol=1e-6)


def test_more_axes_than_a_volume_has_are_refused() -> None:
    with pytest.raises(MethodError, match="4 axes"):
        enlarge(torch.zeros(1, 1, 2, 2, 2, 2), (4, 4, 4, 4))


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 4), (5, 2, 3, 4)])
def test_weights_stand_before_their_channels(shape: tuple[int, ...]) -> None:
    weights, maps = torch.randn(5), torch.randn(shape)
    weighed = stand_before(weights, maps) * maps
    for channel in range(5):
        assert torch.equal(weighed[channel], weights[channel] * maps[channel])
