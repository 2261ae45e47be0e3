"""A loaded model: the layer that is meant by a name."""

import pytest
from torch import nn

from explain.bundled.architectures import build_photo_cnn
from explain.errors import LayerError
from explain.models.loaded import LoadedModel, get_layer
from explain.models.request import ModelRequest
from explain.networks.layer_search import find_layers
from explain.pictures.geometry import Preprocessing


def loaded(module: nn.Module, size: int) -> LoadedModel:
    layers = find_layers(module.eval(), 3, (size, size))
    request = ModelRequest(source="file", name="mine.pt")
    return LoadedModel(request, module, Preprocessing(input_size=(size, size)), ("a", "b"), "0", layers)


def test_a_model_without_spatial_layer_says_so() -> None:
    model = loaded(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 32), nn.ReLU(), nn.Linear(32, 2)), 8)
    assert model.layers == () and model.default_layer is None
    with pytest.raises(LayerError, match=r"mine\.pt.*no layer.*no map"):
        get_layer(model, "auto")


def test_get_layer() -> None:
    model = loaded(build_photo_cnn(), 64)
    assert get_layer(model, "auto") == model.layers[-1]
    assert get_layer(model, "stages.0").grid == (16, 16)
    with pytest.raises(LayerError, match=r"stages\.1"):
        get_layer(model, "stages.11")
