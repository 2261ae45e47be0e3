"""A model as timm and Hugging Face keep it: a folder of weights and a config.json. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explain.errors import ModelError
from explain.models.described import describe_config

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""What the weights of such a folder are called; the first that is there is read."""

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
"""What lies beside them: of the network, and how pictures are prepared."""

MOST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class ModelFolder:
    """Where the weights of a model lie, and what is written beside them.

    Attributes:
        weights: the file.
        name: what to call the model.
        known: fields of a `ModelRequest`.
        notes: sentences on where these came from, and on what could not be used.
    """

    weights: Path
    name: str
    known: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def open_model_folder(path: Path) -> ModelFolder:
    """A folder that holds weights and a config.json, or any other file, of which nothing is known.

    Weights that are named by themselves are of their folder too, where they are called as in such a one.

    Raises:
        ModelError: it is a folder without weights, or its config.json is none.
    """
    if not path.is_dir():
        if path.name in WEIGHTS and (path.parent / CONFIG).is_file():
            return _read_folder(path.parent, path, path.name)
        return ModelFolder(path, path.name)
    weights = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
    if weights is None:
        sharded = any((path / f"{name}.index.json").is_file() for name in WEIGHTS)
        why = (
            "its weights are in several pieces. Save them as one file" if sharded else "none of its files is called so"
        )
        raise ModelError(f"The folder {path} holds no {' or '.join(WEIGHTS)}: {why}, or name a file of weights.")
    return _read_folder(path, weights, path.resolve().name or weights.name)


def _read_folder(path: Path, weights: Path, name: str) -> ModelFolder:
    config = _read_json(path / CONFIG)
    described = None if config is None else describe_config(config, _read_json(path / PROCESSOR))
    if described is None:
        return ModelFolder(weights, name)
    known = described.fill_request()
    words = [field.replace("_", " ").replace("label names", "class names") for field in known]
    notes = [f"From {CONFIG} beside the weights: {', '.join(words)}."] if words else []
    if config is not None and "architecture" not in known and isinstance(config.get("architectures"), list):
        kinds = ", ".join(str(kind)[:60] for kind in config["architectures"][:2])
        notes.append(f"{CONFIG} says {kinds}, for which no architecture of timm is known: name one.")
    return ModelFolder(weights, name, known, (*notes, *described.notes))


def _read_json(path: Path) -> Mapping[str, Any] | None:
    """The object that a JSON file holds; None where there is no such file.

    Raises:
        ModelError: it holds something else.
    """
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        content = json.loads(data) if len(data) <= MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, Mapping):
        raise ModelError(f"{path} is no JSON object that describes a model. Put it right, or name the weights' file.")
    return content
