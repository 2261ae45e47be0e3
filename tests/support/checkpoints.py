"""Checkpoints as a person would give them."""

import io
from typing import Any

import torch

from explain.models.load import load_model
from explain.models.loaded import LoadedModel
from explain.models.request import build_file_request


def save(content: Any) -> bytes:
    """As `torch.save` writes it."""
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def open_file(content: dict[str, torch.Tensor] | bytes, architecture: str, **options: Any) -> LoadedModel:
    """The model that a file named mine.pt gives."""
    data = content if isinstance(content, bytes) else save(content)
    return load_model(build_file_request(data, "mine.pt", architecture=architecture, **options), data)
