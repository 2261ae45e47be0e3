"""Architectures: built to fit the weights they are given."""

import pytest
import torch

from explain.models.architectures import build_architecture, parse_architecture
from tests.support.checkpoints import open_file


@pytest.mark.parametrize(
    ("architecture", "classes", "channels"),
    [("torchvision/squeezenet1_1", 3, 1), ("timm/resnet10t", 5, 3), ("timm/test_vit", 4, 1)],
)
def test_classes_and_channels_are_read_from_the_weights(architecture: str, classes: int, channels: int) -> None:
    torch.manual_seed(0)
    source = build_architecture(parse_architecture(architecture), classes, channels, None)
    model = open_file({"state_dict": {f"module.{k}": v for k, v in source.state_dict().items()}}, architecture)
    assert model.labels == tuple(f"class {i}" for i in range(classes)) and "numbered" in model.notes[0]
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
