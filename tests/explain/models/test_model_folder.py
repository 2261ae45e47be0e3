"""A folder of weights and config.json, and networks of other shapes than a square of three channels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from explain.commands.flags import read_model
from explain.errors import ModelError
from explain.models.architectures import build_architecture, parse_architecture
from explain.models.load import load_model
from explain.models.model_folder import open_model_folder
from explain.models.request import ModelRequest, parse_model
from explain.pictures.geometry import Preprocessing, prepare
from explain.pictures.picture import Picture
from tests.explain.pictures.test_geometry import make_noise
from tests.support.checkpoints import open_file

CONFIG = {
    "architecture": "resnet10t",
    "num_classes": 3,
    "global_pool": "max",
    "label_names": ["daisy", "rose", "tulip"],
    "pretrained_cfg": {
        "input_size": [3, 64, 64],
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
        "crop_pct": 1.0,
        "interpolation": "bicubic",
    },
}


def write_folder(path: Path, config: Any, network: torch.nn.Module) -> Path:
    path.mkdir()
    safetensors.torch.save_file(network.state_dict(), path / "model.safetensors")
    (path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return path


def build(architecture: str, classes: int, channels: int, size: Any = None, pool: str | None = None) -> Any:
    torch.manual_seed(0)
    return build_architecture(parse_architecture(architecture), classes, channels, size, global_pool=pool)


@pytest.mark.parametrize("inside", ["", "model.safetensors"])
def test_a_folder_is_a_model(tmp_path: Path, inside: str, capsys: pytest.CaptureFixture[str]) -> None:
    network = build("timm/resnet10t", 3, 3, pool="max")
    folder = write_folder(tmp_path / "my-tagger", CONFIG, network)
    request, data, file = read_model(f"file:{folder / inside}", arch=None)
    assert file == folder / "model.safetensors" and request.name == (inside or "my-tagger")
    assert "my-tagger: From config.json" in capsys.readouterr().err or inside
    model = load_model(request, data)
    assert model.labels == ("daisy", "rose", "tulip")
    assert model.preprocessing == Preprocessing(
        input_size=(64, 64), resize_size=64, interpolation="bicubic", mean=(0.5,) * 3, std=(0.25,) * 3
    )
    assert [note for note in model.notes if "assumed" in note] == []
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(model.module(x), network(x))
    assert not torch.allclose(model.module(x), build("timm/resnet10t", 3, 3)(x)), "the pooling matters"
    again = ModelRequest.model_validate_json(request.model_dump_json())
    assert again == request and load_model(again, data).fingerprint == model.fingerprint


def test_flags_go_before_what_is_written(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", CONFIG, build("timm/resnet10t", 3, 3))
    (tmp_path / "names.txt").write_text("a\nb\nc")
    request, _, _ = read_model(
        f"file:{folder}", input_size="96x64", fit="squash", mean="0.1,0.2,0.3", labels=str(tmp_path / "names.txt")
    )
    assert request.input_size == (96, 64) and request.fit == "squash" and request.mean == (0.1, 0.2, 0.3)
    assert request.label_names == ("a", "b", "c") and request.architecture == "timm/resnet10t"


def test_folders_that_are_none(tmp_path: Path) -> None:
    network = build("timm/resnet10t", 3, 3)
    with pytest.raises(ModelError, match=r"no JSON object"):
        open_model_folder(write_folder(tmp_path / "a", "[" * 100_000, network))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match=r"holds no model\.safetensors or pytorch_model\.bin"):
        open_model_folder(empty)
    (empty / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(ModelError, match="in several pieces"):
        open_model_folder(empty)
    other = open_model_folder(write_folder(tmp_path / "b", {"port": 80}, network))
    assert other.known == {} and other.notes == ()
    swin = {"model_type": "swin", "architectures": ["SwinForImageClassification"]}
    told = open_model_folder(write_folder(tmp_path / "c", swin, network))
    assert told.known == {} and "SwinForImageClassification" in told.notes[0]
    assert read_model(f"file:{tmp_path / 'c'}")[0].architecture is None, "left to the weights"
    with pytest.raises(ModelError, match=r"ann/my-tagger.*give it as file:FOLDER"):
        load_model(parse_model("hf-hub:ann/my-tagger"))


@pytest.mark.parametrize("size", [(128, 64), (64, 128), (96, 160)])
@pytest.mark.parametrize("architecture", ["timm/resnet10t", "timm/test_vit", "torchvision/squeezenet1_1"])
def test_an_input_that_is_no_square(architecture: str, size: tuple[int, int]) -> None:
    network = build(architecture, 5, 3, size)
    model = open_file(network.state_dict(), architecture, input_size=f"{size[0]}x{size[1]}")
    assert model.preprocessing.input_size == size and model.default_layer is not None
    rows, columns = model.default_layer.grid
    assert abs(rows / columns - size[0] / size[1]) < 0.25 * size[0] / size[1]
    pixels = make_noise((150, 210))
    x = prepare(Picture("noise", pixels, pixels, "0"), model.preprocessing).tensor
    assert x.shape == (1, 3, *size)
    assert torch.allclose(model.module(x), network(x), atol=1e-6)


def test_a_vit_tells_an_upright_input_and_asks_for_another() -> None:
    upright = build("timm/test_vit", 3, 3, (128, 64))
    model = open_file(upright.state_dict(), "timm/test_vit")
    assert model.preprocessing.input_size == (128, 64) and model.default_layer is not None
    assert model.default_layer.grid == (8, 4)
    assert any("taken for pictures of 128×64 (height × width)" in note for note in model.notes)
    lying = build("timm/test_vit", 3, 3, (64, 128))
    model = open_file(lying.state_dict(), "timm/test_vit", input_size=(64, 128))
    assert model.default_layer is not None and model.default_layer.grid == (4, 8)
    strange = build("timm/test_vit", 3, 3, (96, 160))
    with pytest.raises(
        ModelError, match=r"fill no square\. Give the input's height and width, e\.g\. 160x96 or 96x160"
    ):
        open_file(strange.state_dict(), "timm/test_vit")
    with pytest.raises(ModelError, match="take square inputs only"):
        open_file(torch_vit(), "torchvision/vit_b_16", input_size="256x128")


def torch_vit() -> dict[str, torch.Tensor]:
    """The names and shapes of torchvision's smallest vision transformer, all zero."""
    outline = build_architecture(parse_architecture("torchvision/vit_b_16"), 3, 3, None, "meta").state_dict()
    return {name: torch.zeros(1).expand(tensor.shape) for name, tensor in outline.items()}


@pytest.mark.parametrize("channels", [2, 4, 6])
@pytest.mark.parametrize("architecture", ["timm/resnet10t", "torchvision/squeezenet1_1"])
def test_a_network_of_bands(architecture: str, channels: int) -> None:
    network = build(architecture, 3, channels)
    model = open_file(network.state_dict(), architecture, mean=(0.4,), std=(0.3,))
    assert model.preprocessing.channels == channels and model.preprocessing.mean == (0.4,) * channels
    values = np.random.default_rng(0).integers(0, 256, (60, 80, channels), dtype=np.uint8)
    picture = Picture("bands", np.zeros((60, 80, 3), np.uint8), values, "0")
    x = prepare(picture, model.preprocessing).tensor
    assert torch.allclose(model.module(x), network(x), atol=1e-6)
    with pytest.raises(ModelError, match=f"holds weights for {channels} channels, not 3"):
        open_file(network.state_dict(), architecture, channels=3)


def test_more_bands_than_are_supported_are_refused() -> None:
    with pytest.raises(ModelError, match=r"takes pictures of 9 channels\. Up to 6"):
        open_file(build("timm/resnet10t", 3, 9).state_dict(), "timm/resnet10t")


def test_a_pooling_that_is_none_is_a_sentence() -> None:
    weights = build("timm/resnet10t", 3, 3).state_dict()
    with pytest.raises(ModelError, match="nonsense pooling"):
        open_file(weights, "timm/resnet10t", global_pool="nonsense")
    with pytest.raises(ModelError, match="one way of pooling"):
        open_file(build("torchvision/squeezenet1_1", 3, 3).state_dict(), "torchvision/squeezenet1_1", global_pool="max")
