"""Which model is asked for, in words that can be written down. Imports no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from explain.bundled.models import FIRST_MODEL, bundled_models
from explain.errors import ModelError
from explain.models.labels import read_labels
from explain.pictures.geometry import Framing, InputChannels, Interpolation
from explain.settings import read_refusal

ModelSource = Literal["bundled", "hub", "file", "prompts"]
"""Where a model comes from."""


class ModelRequest(BaseModel):
    """Which model, in words that can be written down: for the manifest, links and cache keys.

    Attributes:
        source: ships with CAMscope, is fetched from the hub, was handed over as a file, or is prompts trained here.
        name: `photo-cnn`, a timm name, what the file is called, or what the prompts are called.
        architecture: `timm/NAME` or `torchvision/NAME`; needed for files, known otherwise.
        labels: a known label set, `imagenet` or `cifar10`.
        label_names: the names themselves, from a label file.
        input_size: side of the model's square input in pixels; what is left out here keeps the model's own default.
        mean: one number, or one for each channel.
        std: as `mean`.
        channels: grey or RGB.
        fit: see `Preprocessing`.
        resize_size: see `Preprocessing`.
        interpolation: see `Preprocessing`.
        digest: SHA-256 of the checkpoint's bytes, or `PromptCard.digest`; files and prompts only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: ModelSource
    name: str = Field(min_length=1, max_length=200)
    architecture: str | None = None
    labels: str | None = None
    label_names: tuple[str, ...] | None = None
    input_size: int | None = Field(default=None, ge=8, le=2048)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels: InputChannels | None = None
    fit: Framing | None = None
    resize_size: int | None = Field(default=None, ge=1, le=4096)
    interpolation: Interpolation | None = None
    digest: str | None = None


def parse_model(text: str) -> ModelRequest:
    """Read `photo-cnn`, `hub:resnet18.a1_in1k` (or a plain timm name), `file:NAME` or `prompts:NAME`. Loads nothing.

    Raises:
        ModelError: no name is given.
    """
    kind, colon, rest = text.strip().partition(":")
    source, name = (kind, rest.strip()) if colon and kind in get_args(ModelSource) else ("", text.strip())
    if not name or len(name) > 200:
        raise ModelError(f"Name a model: a bundled one such as {FIRST_MODEL}, a timm model, file:PATH or prompts:NAME.")
    if source == "prompts":
        return ModelRequest(source="prompts", name=name)
    if source == "file":
        return ModelRequest(source="file", name=Path(name).name or name)
    if source == "bundled" or (not source and any(name == model.name for model in bundled_models())):
        return ModelRequest(source="bundled", name=name)
    return ModelRequest(source="hub", name=name.removeprefix("hf-hub:").removeprefix("timm/"))


def build_file_request(
    data: bytes,
    name: str,
    *,
    architecture: str | None = None,
    labels: str | None = None,
    label_file: bytes | None = None,
    input_size: int | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    channels: int | None = None,
) -> ModelRequest:
    """The request for a person's own checkpoint, known by the digest of its bytes. Does not read the weights.

    Args:
        data: the file's bytes.
        name: what the file is called.
        architecture: `timm/NAME` or `torchvision/NAME`.
        labels: a known label set, `imagenet` or `cifar10`.
        label_file: the bytes of a text file with one class name a line, in place of `labels`.
        input_size: side of the input in pixels; as all that follows, read from the weights or the architecture where
            it is left out.
        mean: see `ModelRequest`.
        std: see `ModelRequest`.
        channels: see `ModelRequest`.

    Raises:
        ModelError: no architecture is given, or a value is out of its bounds.
    """
    if not architecture:
        raise ModelError("A checkpoint needs its architecture: timm/NAME or torchvision/NAME, e.g. timm/resnet18.")
    try:
        return ModelRequest.model_validate(
            {
                "source": "file",
                "name": name[:200] or "checkpoint",
                "architecture": architecture,
                "labels": labels,
                "label_names": read_labels(label_file) if label_file is not None else None,
                "input_size": input_size,
                "mean": mean,
                "std": std,
                "channels": channels,
                "digest": hashlib.sha256(data).hexdigest(),
            }
        )
    except ValidationError as error:
        refusal = read_refusal(error)
        field_name = refusal.field.replace("_", " ")
        raise ModelError(f"The {field_name} cannot be {refusal.given}: {refusal.reason}.") from None
