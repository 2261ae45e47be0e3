"""Networks of volumes by name: torchvision's layers and layouts, and MONAI where it is, and where it is not."""

import importlib.util
import io

import numpy as np
import pytest
import torch

from explain.engine.engine import Engine
from explain.errors import ModelError
from explain.models import volume_architectures
from explain.models.architectures import build_architecture, default_preprocessing, find_places, parse_architecture
from explain.models.guess import guess_architecture, is_sure
from explain.models.inspection import inspect_file
from explain.models.request import build_file_request
from explain.networks.layer import default_layer
from explain.networks.layer_search import find_layers
from explain.volumes.from_array import build_volume


def test_torchvisions_networks_of_clips_are_known() -> None:
    names = volume_architectures.list_video_networks()
    assert {"r3d_18", "mc3_18", "r2plus1d_18", "s3d", "mvit_v1_b", "swin3d_t"} <= set(names)
    assert volume_architectures.reads_volumes("torchvision", "r3d_18")
    assert not volume_architectures.reads_volumes("torchvision", "resnet18")


@pytest.mark.parametrize(
    ("name", "sides", "layer", "grid", "layout"),
    [
        ("r3d_18", (16, 112, 112), "layer4", (2, 7, 7), "NCDHW"),
        ("mc3_18", (16, 112, 112), "layer4", (16, 7, 7), "NCDHW"),
        ("r2plus1d_18", (16, 112, 112), "layer4", (2, 7, 7), "NCDHW"),
        ("s3d", (16, 224, 224), "features.15", (2, 7, 7), "NCDHW"),
        ("mvit_v1_b", (16, 224, 224), "blocks.15.norm1", (8, 7, 7), "NLC"),
        ("swin3d_t", (16, 224, 224), "norm", (8, 7, 7), "NDHWC"),
    ],
)
def test_their_layers_are_found(
    name: str, sides: tuple[int, ...], layer: str, grid: tuple[int, ...], layout: str
) -> None:
    architecture = parse_architecture(f"torchvision/{name}")
    preprocessing = default_preprocessing(architecture)
    assert preprocessing.sides == sides
    module = build_architecture(architecture, 5, 3, None, "meta")
    best = default_layer(find_layers(module, 3, sides))
    assert best is not None and (best.name, best.grid, best.layout) == (layer, grid, layout)


def test_a_deeper_grid_with_more_cells_is_the_default() -> None:
    """Of 8×64×64 voxels the last grid is 1×4×4, which has no depth: the one before has 1 too, the one before that 2."""
    module = build_architecture(parse_architecture("torchvision/r3d_18"), 5, 1, None, "meta")
    layers = find_layers(module, 1, (8, 64, 64))
    assert layers[-1].grid == (1, 4, 4)
    best = default_layer(layers)
    assert best is not None and best.name == "layer3" and best.grid == (2, 8, 8)


def test_a_checkpoint_tells_what_it_is() -> None:
    places = find_places(parse_architecture("torchvision/mc3_18"))
    assert places.heads == ("fc",) and places.stem == "stem.0"
    module = build_architecture(parse_architecture("torchvision/mc3_18"), 5, 1, None, "meta")
    found = guess_architecture({f"module.{key}": tuple(t.shape) for key, t in module.state_dict().items()})
    assert found[0].architecture == "torchvision/mc3_18" and is_sure(found)
    assert (found[0].num_classes, found[0].channels, found[0].prefix) == (5, 1, "")


def test_without_monai_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.models.architectures.has_monai", lambda: False)
    with pytest.raises(ModelError, match="Install it with “pip install monai”"):
        parse_architecture("monai/DenseNet121")
    monkeypatch.setattr(volume_architectures, "has_monai", lambda: False)
    assert volume_architectures.list_monai_networks() == ()
    with pytest.raises(ModelError, match="MONAI is not installed here"):
        volume_architectures.build_monai("DenseNet121", 2, 1)


@pytest.mark.skipif(importlib.util.find_spec("monai") is None, reason="MONAI is not installed")
@pytest.mark.parametrize("name", ["DenseNet121", "ResNet18"])
def test_monais_networks_are_explained(name: str) -> None:
    module = build_architecture(parse_architecture(f"monai/{name}"), 3, 1, None)
    _explain_file(module, f"monai/{name}", depth=32, input_size=64, spacing=(2.0, 1.0, 1.0), window=(0.0, 1000.0))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["r3d_18", "s3d", "swin3d_t"])
def test_checkpoints_of_torchvisions_are_explained(name: str) -> None:
    module = build_architecture(parse_architecture(f"torchvision/{name}"), 3, 1, None)
    _explain_file(module, f"torchvision/{name}", window=(0.0, 1000.0), mean=(0.5,), std=(0.25,))


def _explain_file(module: torch.nn.Module, expected: str, **said: object) -> None:
    """Save, guess, load, explain."""
    buffer = io.BytesIO()
    torch.save({"state_dict": module.state_dict()}, buffer)
    engine = Engine(device="cpu")
    request = build_file_request(buffer.getvalue(), "mine.pth", **said)  # type: ignore[arg-type]
    loaded = engine.load(request, buffer.getvalue())
    assert any(f"guessed: {expected}" in note for note in loaded.notes)
    assert loaded.reads_volumes and len(loaded.labels) == 3 and loaded.preprocessing.channels == 1
    affine = np.eye(4)
    affine[:3, :3] = np.diag((2.0, 1.0, 1.0))[::-1]
    numbers = np.random.default_rng(0).integers(0, 1000, (20, 48, 48)).astype(np.int16)
    answer = engine.explain_volume(build_volume(numbers, affine), loaded, "grad-cam,cf-cam,legrad")
    assert {one.heatmap.method for one in answer.maps} == {"grad-cam", "cf-cam"}
    assert all(np.isfinite(one.values).all() for one in answer.maps)
    assert answer.unavailable["legrad"].endswith("this model reads volumes.")
    # What is found in the file is what it is loaded with, and can be written down and read again.
    findings = {finding.field: finding for finding in inspect_file(request, buffer.getvalue()).findings}
    assert {"depth", "spacing", "orientation", "window"} <= set(findings)
    assert not {"fit", "resize_size", "interpolation"} & set(findings)
    assert findings["window"].found == "0 to 1000" and findings["window"].reason == "as told"
    again = {name: findings[name].value for name in ("depth", "orientation", "window")}
    same = engine.load(build_file_request(buffer.getvalue(), "mine.pth", **{**said, **again}), buffer.getvalue())
    assert same.fingerprint == loaded.fingerprint
