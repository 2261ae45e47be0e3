"""CAMscope's maps beside those of the public libraries: equal wherever both define a method in the same way."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.peers import (
    AS_PYTORCH_GRAD_CAM,
    DIFFERENT_IN_TORCH_CAM,
    PYTORCH_GRAD_CAM,
    TORCH_CAM,
    PytorchGradCam,
    TorchCam,
    find_difference,
    scale,
)
from benchmarks.published_cf_cam import draw_published_cf_cam, weigh
from explain.engine.engine import Engine
from explain.methods import get_method
from explain.methods.cf_cam.settings import PUBLISHED
from tests.support.network import build_network, make_input, make_picture, wrap_network

SIZE = 96
LAYERS = (pytest.param("layer4", marks=pytest.mark.slow), "layer3")
SEEDS = range(2)
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def network():
    """With parameters that need gradients, as the peers ask for; CAMscope is given a frozen copy."""
    return build_network("resnet18", seed=1, size=SIZE)


@pytest.fixture(scope="module")
def loaded(network):
    return wrap_network(copy.deepcopy(network), "resnet18", SIZE)


def draw(loaded, name: str, layer: str, seed: int, target: int | str, **settings) -> np.ndarray:
    explanation = Engine("cpu").explain(
        make_picture(seed, SIZE), loaded, [name], layer=layer, target=target, settings={name: settings}
    )
    assert not explanation.pictures[0].unavailable
    return explanation.pictures[0].maps[0].values


def likeliest(network, seed: int) -> int:
    with torch.no_grad():
        return int(network(make_input(seed, SIZE)).argmax())


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", sorted(set(PYTORCH_GRAD_CAM) - {"score-cam", "ablation-cam", "fullgrad"}))
def test_equals_pytorch_grad_cam(network, loaded, name, layer):
    pytest.importorskip("pytorch_grad_cam")
    peer = PytorchGradCam(network, [layer], [name])
    for seed in SEEDS:
        for target in (likeliest(network, seed), 7):
            theirs = peer.draw(name, make_input(seed, SIZE), target)
            values = draw(loaded, name, layer, seed, target, **AS_PYTORCH_GRAD_CAM.get(name, {}))
            assert np.ptp(theirs) > 0.5, "nothing to compare"
            assert find_difference(name, values, theirs) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["score-cam", "ablation-cam", "fullgrad"])
def test_slow_methods_equal_pytorch_grad_cam(network, name, monkeypatch):
    pytest.importorskip("pytorch_grad_cam")
    # Score-CAM's masks are enlarged with aligned corners there, and so lie beside the picture by half a cell.
    monkeypatch.setattr(
        torch.nn, "UpsamplingBilinear2d", lambda size: torch.nn.Upsample(size, mode="bilinear", align_corners=False)
    )
    if name == "fullgrad":  # contributions of a network of small scores are as small as the 1e-7 it adds to them
        network = copy.deepcopy(network)
        with torch.no_grad():
            network.fc.weight *= 1000
    peer = PytorchGradCam(network, ["layer3"], [name])
    target = likeliest(network, 0)
    theirs = peer.draw(name, make_input(0, SIZE), target)
    loaded = wrap_network(copy.deepcopy(network), "resnet18", SIZE)
    values = draw(loaded, name, "layer3", 0, target, **AS_PYTORCH_GRAD_CAM.get(name, {}))
    assert np.ptp(theirs) > 0.5, "nothing to compare"
    assert find_difference(name, values, theirs) < TOLERANCE


def test_a_difference_would_be_found(network, loaded):
    pytest.importorskip("pytorch_grad_cam")
    theirs = PytorchGradCam(network, ["layer3"], ["grad-cam"]).draw("grad-cam", make_input(0, SIZE), 7)
    assert find_difference("hires-cam", draw(loaded, "hires-cam", "layer3", 0, 7), theirs) > 0.01
    assert find_difference("grad-cam", draw(loaded, "grad-cam", "layer3", 0, 8), theirs) > 0.01
    assert find_difference("grad-cam", -draw(loaded, "grad-cam", "layer3", 0, 7), theirs) > 0.01


@pytest.mark.parametrize("name", sorted(set(TORCH_CAM) - set(DIFFERENT_IN_TORCH_CAM) - {"score-cam"}))
def test_equals_torch_cam(network, loaded, name):
    pytest.importorskip("torchcam")
    options = {"cam": {"fc_layer": "fc"}}
    peer = TorchCam(network, "layer4", [name], options)
    for seed in SEEDS:
        for target in (likeliest(network, seed), 7):
            theirs = peer.draw(name, make_input(seed, SIZE), target)
            values = draw(loaded, name, "layer4", seed, target)
            ours = values if name == "cam" else np.maximum(values, 0)  # its CAM has no ReLU
            assert np.abs(scale(ours) - scale(theirs)).max() < TOLERANCE


@pytest.mark.parametrize("layer", ["layer4", "layer3"])
def test_published_cf_cam_equals_the_plain_version(network, loaded, layer):
    for seed in SEEDS:
        theirs = draw_published_cf_cam(network, layer, make_input(seed, SIZE), 7).numpy()
        values = draw(loaded, "cf-cam", layer, seed, 7, **PUBLISHED.model_dump())
        np.testing.assert_allclose(values, theirs, rtol=0, atol=TOLERANCE * np.abs(theirs).max())


def test_published_cf_cam_equals_the_plain_version_with_gradients_that_matter(loaded):
    """So large that the softmax and the bilateral range are far from uniform."""
    capture = Engine("cpu").capture(make_picture(0, SIZE), loaded, "layer3", 7)
    assert capture.gradients is not None
    loud = replace(capture, gradients=capture.gradients / capture.gradients.abs().mean() * 3)
    values = get_method("cf-cam").function(loud, PUBLISHED).values.numpy()
    theirs = weigh(loud.activations, loud.gradients).numpy()
    np.testing.assert_allclose(values, theirs, rtol=0, atol=TOLERANCE * np.abs(theirs).max())
    assert np.abs(values - get_method("cf-cam").function(capture, PUBLISHED).values.numpy()).max() > 0.01
