"""Architectures: built to fit the weights they are given."""

import pytest
import torch

from explain.errors import ModelError
from explain.models.architectures import (
    Architecture,
    build_architecture,
    default_preprocessing,
    list_architectures,
    parse_architecture,
    read_timm_preprocessing,
)
from explain.networks.torchvision_operators import declare_missing_operators
from tests.support.checkpoints import open_file

declare_missing_operators()

import timm  # noqa: E402
import torchvision  # noqa: E402


@pytest.mark.parametrize(
    ("architecture", "classes", "channels"),
    [("torchvision/squeezenet1_1", 3, 1), ("timm/resnet10t", 5, 3), ("timm/test_vit", 4, 1)],
)
def test_classes_and_channels_are_read_from_the_weights(architecture: str, classes: int, channels: int) -> None:
    torch.manual_seed(0)
    source = build_architecture(parse_architecture(architecture), classes, channels, None)
    model = open_file({"state_dict": {f"module.{k}": v for k, v in source.state_dict().items()}}, architecture)
    assert model.labels == tuple(f"class {i}" for i in range(classes))
    assert any("numbered" in note for note in model.notes)
    assert model.preprocessing.channels == channels == len(model.preprocessing.mean)
    x = torch.rand(1, channels, *model.preprocessing.input_size)
    assert torch.equal(model.module(x), source(x))
    assert model.default_layer is not None and model.request.digest is not None


def test_a_vit_takes_the_size_it_was_trained_for_or_is_resized() -> None:
    architecture = parse_architecture("timm/test_vit")
    source = build_architecture(architecture, 3, 3, 96)
    model = open_file(source.state_dict(), "timm/test_vit")
    assert model.preprocessing.input_size == (96, 96)
    x = torch.rand(1, 3, 96, 96)
    assert torch.equal(model.module(x), source(x))
    larger = open_file(source.state_dict(), "timm/test_vit", input_size=128)
    assert larger.preprocessing.input_size == (128, 128) and larger.default_layer is not None
    assert larger.default_layer.grid == (8, 8) and larger.module(torch.rand(1, 3, 128, 128)).shape == (1, 3)


def test_a_name_is_read_with_its_family() -> None:
    assert parse_architecture(" timm/resnet18 ") == Architecture("timm", "resnet18")
    assert str(parse_architecture("torchvision/resnet18")) == "torchvision/resnet18"
    tagged = parse_architecture("timm/vit_base_patch16_224.dino")
    assert tagged.name == "vit_base_patch16_224.dino", "a tag decides size and normalisation"
    assert "resnet18" in list_architectures("timm") and "resnet18" in list_architectures("torchvision")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("resnet18", "does not say which library"),
        ("timm/", "does not say which library"),
        ("keras/resnet18", "does not say which library"),
        ("timm/resnet81", r"timm has no architecture “resnet81”\. Did you mean timm/resnet"),
        ("torchvision/xyzzy", "Look the name up"),
    ],
)
def test_a_name_that_is_none_is_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        parse_architecture(text)


def test_preprocessing_is_what_the_published_weights_were_trained_with() -> None:
    ours = default_preprocessing(parse_architecture("torchvision/resnet50"))
    theirs = torchvision.models.get_model_weights("resnet50").DEFAULT.transforms()
    assert ours.input_size == (theirs.crop_size[0],) * 2 and ours.resize_size == theirs.resize_size[0]
    assert (list(ours.mean), list(ours.std)) == (theirs.mean, theirs.std)
    inception = default_preprocessing(parse_architecture("torchvision/inception_v3"))
    assert inception.mean == inception.std == (0.5, 0.5, 0.5) and inception.input_size == (299, 299)
    clip = default_preprocessing(parse_architecture("timm/vit_base_patch16_clip_224"))
    config = timm.models.get_pretrained_cfg("vit_base_patch16_clip_224")
    assert (clip.mean, clip.std, clip.input_size) == (config.mean, config.std, config.input_size[1:])
    assert clip.interpolation == config.interpolation == "bicubic"


def test_timms_ways_of_fitting_are_ours() -> None:
    config = {"input_size": (3, 100, 200), "crop_pct": 0.9, "interpolation": "bilinear", "mean": (0.5,) * 3}
    fits = {mode: read_timm_preprocessing({**config, "crop_mode": mode}) for mode in ("center", "squash", "border")}
    assert {mode: made.fit for mode, made in fits.items()} == {"center": "crop", "squash": "squash", "border": "pad"}
    assert fits["center"].resize_size == (int(100 / 0.9), int(200 / 0.9)) and fits["squash"].resize_size is None
    assert fits["border"].input_size == (100, 200) and fits["border"].mean == (0.5, 0.5, 0.5)
