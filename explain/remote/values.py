"""Values of a closed set of kinds as JSON and tensors, and back. Nothing that is read runs code.

What JSON has words for stands as it is, a tuple as a list. All else is an object with one key, which says what it is:
`$array`, `$dict`, or the name of one of `KINDS`. Arrays are kept beside the JSON, for a file of safetensors.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.numpy import load, save

from explain.errors import ExplainError
from explain.methods import all_methods, get_method

KINDS = {
    name: module
    for module, names in {
        "explain.engine.counted": "Spread",
        "explain.engine.figures": "Figures",
        "explain.engine.explanation": "Explanation PictureExplanation Prediction",
        "explain.engine.slices": "SliceAnswer",
        "explain.engine.wanted": "Answer Drawing Exemplar Exemplars Facet Goal",
        "explain.engine.whole_volumes": "VolumeExplanation",
        "explain.faithfulness.best": "Best",
        "explain.faithfulness.channels": "Channels Paths Replaced Shift",
        "explain.faithfulness.effects": "Answered Change Effect Effects",
        "explain.faithfulness.measured": "Curve Measured Row",
        "explain.faithfulness.patching": "Patches",
        "explain.faithfulness.unlike": "Unlikeness",
        "explain.faithfulness.verdict": "Mark Verdict",
        "explain.maps.heatmap": "Heatmap",
        "explain.maps.volume_map": "VolumeMap",
        "explain.networks.layer": "Layer",
        "explain.passes.attention": "AttentionCapture",
        "explain.passes.capture": "LayerCapture TrainedCapture",
        "explain.passes.count": "Passes",
        "explain.passes.prompts": "HeadRanking PromptCapture",
        "explain.pictures.geometry": "Box Preprocessing Span",
        "explain.pictures.volume_preprocessing": "VolumePreprocessing",
        "explain.volumes.geometry": "Geometry",
        "explain.volumes.model_input": "Block",
        "explain.volumes.planes": "View",
        "explain.volumes.volume": "Volume",
        "explain.volumes.windows": "Window",
    }.items()
    for name in names.split()
}
"""What may be made of what is read, and where it is declared: dataclasses, named tuples and pydantic's models."""

_STAYS = {"LayerCapture": {"runner", "derived"}, "Volume": {"name", "read_original", "regions"}}
"""Fields that do not cross: what runs a network, what can be worked out again, and what says whose a scan is."""

_ABOUT = "answer"
_SETTINGS = "$settings"

Refer = Callable[[Any], Any]
"""Gives what stands for a value that does not cross, as JSON; None for a value that does."""


class Writer:
    """Writes values.

    Args:
        refer: see `Refer`.

    Attributes:
        tensors: the arrays of what was written.
    """

    def __init__(self, refer: Refer = lambda _: None) -> None:
        self.tensors: dict[str, np.ndarray] = {}
        self._refer = refer

    def write(self, value: Any) -> Any:
        """A value as JSON.

        Raises:
            TypeError: it is of no kind that crosses.
        """
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        referred = self._refer(value)
        if referred is not None:
            return referred
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            return {"$array": self._keep(value)}
        kind = type(value)
        if f"{kind.__module__}.{kind.__name__}" == "torch.Tensor":
            whole = value.detach().cpu()
            return {"$tensor": self._keep((whole.float() if whole.dtype.itemsize == 2 else whole).numpy())}
        if kind.__name__ in KINDS and kind is _find_kind(kind.__name__):
            return {f"${kind.__name__}": {name: self.write(one) for name, one in _take_apart(value).items()}}
        if isinstance(value, BaseModel):
            return {_SETTINGS: [_find_method(kind), value.model_dump(mode="json")]}
        if isinstance(value, Mapping):
            return {"$dict": [[self.write(key), self.write(one)] for key, one in value.items()]}
        if isinstance(value, (set, frozenset)):
            return {"$set": [self.write(one) for one in value]}
        if kind in (tuple, list):
            several = [self.write(one) for one in value]
            return several if kind is tuple else {"$list": several}
        raise TypeError(f"a {kind.__name__} does not cross")

    def close(self, told: Any) -> bytes:
        """What was written as a file of safetensors, with JSON of the whole in its metadata."""
        return save(self.tensors, {_ABOUT: json.dumps(told)})

    def _keep(self, array: np.ndarray) -> str:
        if array.dtype.kind not in "fiub":
            raise TypeError(f"an array of {array.dtype} does not cross")
        name = str(len(self.tensors))
        self.tensors[name] = np.ascontiguousarray(array).reshape(array.shape)
        return name


class Reader:
    """Reads values that a `Writer` wrote.

    Args:
        tensors: the arrays.
        referred: by the key of what stands for a value that did not cross, how it is found.
        makes: which of `KINDS` may be made.
    """

    def __init__(
        self,
        tensors: Mapping[str, np.ndarray],
        referred: Mapping[str, Callable[[Any], Any]],
        makes: Collection[str] = (*KINDS, "settings", "tensor"),
    ) -> None:
        self._tensors, self._referred, self._makes = tensors, referred, makes

    def read(self, told: Any) -> Any:
        """A value.

        Raises:
            ExplainError: it is none that could have been written.
        """
        try:
            return self._read(told)
        except ExplainError:
            raise
        except (KeyError, ValueError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise ExplainError(f"What was sent is no question or answer ({type(error).__name__}).") from None

    def _read(self, told: Any) -> Any:
        if told is None or isinstance(told, (bool, int, float, str)):
            return told
        if isinstance(told, list):
            return tuple(self._read(one) for one in told)
        ((key, value),) = told.items()
        if key in self._referred:
            return self._referred[key](value)
        if key == "$dict":
            return {self._read(name): self._read(one) for name, one in value}
        if key in ("$list", "$set"):
            return (list if key == "$list" else frozenset)(self._read(one) for one in value)
        if key == "$array":
            array = self._tensors[value]
            array.setflags(write=False)
            return array
        if key.removeprefix("$") not in self._makes:
            raise KeyError(key)
        if key == "$tensor":
            import torch

            return torch.from_numpy(self._tensors[value])
        if key == _SETTINGS:
            name, chosen = value
            return get_method(name).settings.model_validate(chosen)
        kind = _find_kind(key.removeprefix("$"))
        given = {name: self._read(one) for name, one in value.items()}
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind.model_validate(given)
        return kind(**given)


def open_file(data: bytes) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays of a file of safetensors, and the JSON in its metadata.

    Raises:
        ExplainError: it is none.
    """
    try:
        tensors = load(data)
        length = struct.unpack("<Q", data[:8])[0]  # the library hands the metadata out of files on a disk only
        told = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_ABOUT])
    except (SafetensorError, ValueError, KeyError, TypeError, struct.error, RecursionError):
        raise ExplainError("What was sent is damaged, or is something else.") from None
    return tensors, told


def pack(value: Any, refer: Refer = lambda _: None) -> bytes:
    """A value as a file of safetensors."""
    writer = Writer(refer)
    return writer.close(writer.write(value))


def unpack(data: bytes, referred: Mapping[str, Callable[[Any], Any]] | None = None) -> Any:
    """The value of what `pack` gave.

    Raises:
        ExplainError: it is none.
    """
    tensors, told = open_file(data)
    return Reader(tensors, referred or {}).read(told)


def _take_apart(value: Any) -> dict[str, Any]:
    """The fields of a value that cross."""
    stays: set[str] = _STAYS.get(type(value).__name__, set())
    if isinstance(value, BaseModel):
        names: Sequence[str] = [*type(value).model_fields]
    else:
        names = [one.name for one in fields(value) if one.init] if is_dataclass(value) else value._fields
    return {name: getattr(value, name) for name in names if name not in stays}


@cache
def _find_kind(name: str) -> Any:
    return getattr(import_module(KINDS[name]), name)


def _find_method(kind: type[BaseModel]) -> str:
    """A method that has settings of this kind."""
    found = next((method.name for method in all_methods().values() if method.settings is kind), None)
    if found is None:
        raise TypeError(f"{kind.__name__} does not cross")
    return found
