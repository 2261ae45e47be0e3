"""Values are read back as they were written, and what is something else is refused in a sentence."""

from __future__ import annotations

import json
import pickle
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from explain.errors import ExplainError
from explain.faithfulness.unlike import Unlikeness
from explain.methods import all_methods
from explain.pictures.geometry import Box
from explain.remote.values import KINDS, Reader, Writer, open_file, pack, unpack


def test_what_is_written_is_read() -> None:
    value: dict[Any, Any] = {
        "plain": (None, True, 1, 0.5, "x", float("inf")),
        1: [(), {}, frozenset({1, 2})],
        "box": Box(0.0, 1.0, 2.0, 3.0),
        "made": Unlikeness(0.5, (1.0, 2.0)),
        "number": np.float32(0.5),
    }
    again = unpack(pack(value))
    assert again == value and type(again["box"]) is Box and type(again[1]) is list
    arrays = {"bits": np.array([True, False]), "none": np.zeros((0, 3)), "one": np.array(2.0), "half": np.float16([1])}
    for name, array in unpack(pack(arrays)).items():
        assert array.dtype == arrays[name].dtype and array.shape == arrays[name].shape and (array == arrays[name]).all()
        assert not array.flags.writeable
    tensors = unpack(pack((torch.arange(3), torch.ones(2, dtype=torch.bfloat16))))
    assert tensors[0].dtype == torch.int64 and tensors[1].dtype == torch.float32


def test_settings_of_every_method_cross() -> None:
    for method in all_methods().values():
        assert unpack(pack(method.settings())) == method.settings()


def test_every_kind_is_a_plain_one() -> None:
    for name, module in KINDS.items():
        kind = getattr(import_module(module), name)
        assert kind.__name__ == name
        assert not hasattr(kind, "__post_init__"), f"{name} does something when it is made"
        assert is_dataclass(kind) or hasattr(kind, "_fields") or hasattr(kind, "model_fields")
        if is_dataclass(kind):
            assert fields(kind)


@pytest.mark.parametrize("value", [object(), lambda: None, np.array([object()]), b"bytes", 1j, open])
def test_nothing_else_is_written(value: Any) -> None:
    with pytest.raises(TypeError, match="does not cross"):
        Writer().write(value)


@pytest.mark.parametrize(
    "told",
    [
        {"$Popen": {"args": "ls"}},
        {"$os.system": {}},
        {"$Box": {"left": 1}},
        {"$Box": {"left": 1, "top": 1, "right": 1, "bottom": 1, "more": 1}},
        {"$Box": 1},
        {"$array": "9"},
        {"$array": ["x"]},
        {"$settings": ["no-cam", {}]},
        {"$settings": ["cf-cam", {"eps": -1}]},
        {"$dict": [[{"$dict": []}, 1]]},
        {"$__class__": {}},
        {"one": 1, "two": 2},
        {},
    ],
)
def test_nothing_else_is_read(told: Any) -> None:
    with pytest.raises(ExplainError):
        Reader({}, {}).read(told)


def test_a_question_makes_nothing() -> None:
    reader = Reader({}, {"$picture": lambda place: ("picture", place)}, makes=())
    assert reader.read({"$dict": [["x", {"$picture": 1}]]}) == {"x": ("picture", 1)}
    for told in (
        {"$Box": {"left": 1, "top": 1, "right": 1, "bottom": 1}},
        {"$settings": ["cf-cam", {}]},
        {"$tensor": "0"},
    ):
        with pytest.raises(ExplainError, match="no question"):
            reader.read(told)


def test_a_file_that_is_none_is_a_sentence() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    for data in (b"", b"\x89PNG", pickle.dumps(1), save({"x": np.zeros(1)}), save({}, {"answer": deep})):
        with pytest.raises(ExplainError, match="damaged, or is something else"):
            open_file(data)
    assert json.loads("[]") == open_file(save({"x": np.zeros(1)}, {"answer": "[]"}))[1]
