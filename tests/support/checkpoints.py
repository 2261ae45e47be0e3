"""Checkpoints as a person would give them."""

import io
from typing import Any

import torch
from torch import nn

from explain.models.load import load_model
from explain.models.loaded import LoadedModel
from explain.models.request import build_file_request
from explain.networks.torchvision_operators import declare_missing_operators

# Who saves networks of torchvision or timm here imports them afterwards.
declare_missing_operators()


def save(content: Any, legacy: bool = False) -> bytes:
    """As `torch.save` writes it; `legacy` as it did before it wrote archives."""
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def open_file(content: dict[str, torch.Tensor] | bytes, architecture: str, **options: Any) -> LoadedModel:
    """The model that a file named mine.pt gives."""
    data = content if isinstance(content, bytes) else save(content)
    return load_model(build_file_request(data, "mine.pt", architecture=architecture, **options), data)


def make_lively(network: nn.Module) -> Any:
    """Give every part of an untrained network something to do, so that equal scores mean equal networks."""
    torch.manual_seed(1)
    for part in network.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, 0, 0.1)
    for name, parameter in network.named_parameters():
        if parameter.ndim < 2 or "gamma" in name:
            parameter.data.add_(torch.randn_like(parameter) * 0.05)
    return network.eval()


def open_same(source: nn.Module, content: Any, architecture: str, **options: Any) -> LoadedModel:
    """The model that a file gives, once its scores are proved to be those of the network that it was saved from.

    Args:
        source: the network as it was trained.
        content: what was saved, or the bytes of the file.
        architecture: as a person gives it.
        options: of `build_file_request`.
    """
    model = open_file(content if isinstance(content, bytes) else save(content), architecture, **options)
    torch.manual_seed(2)
    x = torch.rand(2, model.preprocessing.channels, *model.preprocessing.input_size)
    with torch.no_grad():
        found, wanted = model.module(x), source(x)
    assert wanted.std() > 1e-6, "a test of nothing"
    assert found.shape == wanted.shape and torch.allclose(found, wanted, rtol=1e-4, atol=1e-4)
    return model
