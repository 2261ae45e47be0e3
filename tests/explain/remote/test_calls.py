"""What may be asked is a closed table, and what its arguments may be is checked before anything is done."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from explain.engine.engine import Engine
from explain.errors import ExplainError, MethodError
from explain.methods import get_method
from explain.remote.calls import ARGUMENTS, CALLS, read_arguments, write_argument
from tests.support.engine import make_picture


def test_every_call_is_a_method_of_an_engine() -> None:
    engine = Engine(device="cpu")
    for name, call in CALLS.items():
        own = inspect.signature(getattr(engine, name)).parameters
        assert [*inspect.signature(call.method).parameters][1:] == [*own], name
        known = {*ARGUMENTS, "model", "progress", "cancel", "preprocessing", "labels", "outputs"}
        assert own.keys() <= known, name
        assert "model" in own, name


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("forget", {}),
        ("__init__", {}),
        ("load", {}),
        ("explain", {"pictures": "/etc/passwd"}),
        ("explain", {"pictures": ("/etc/passwd",)}),
        ("explain", {"references": "/etc"}),
        ("explain", {"model": "file:/etc/passwd"}),
        ("explain", {"labels": "x"}),
        ("explain", {"cancel": None}),
        ("explain", {"fusion": "none at all"}),
        ("explain_volume", {"volume": "series.zip"}),
        ("judge", {"picture": np.zeros((3, 3, 3))}),
        ("predict", {"top": "5"}),
        ("predict", {"top": True}),
        ("draw", {"start": "x"}),
        ("draw", {"channel": "x"}),
        ("measure_effects", {"regions": {f"{number}": (1, 1, 2, 2) for number in range(5000)}}),
        ("measure_effects", {"regions": {"a": "x"}}),
        ("explain", {"methods": tuple("x" for _ in range(5000))}),
    ],
)
def test_what_may_not_be_asked_is_a_sentence(call: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ExplainError, match=r"cannot be asked|no question for an engine"):
        read_arguments(call, arguments)


def test_arguments_are_what_the_engine_takes() -> None:
    picture = make_picture()
    given = read_arguments("judge", {"picture": picture, "methods": ("grad-cam",), "target": 1})
    assert given == {"picture": picture, "methods": ("grad-cam",), "target": 1}
    told = write_argument("method", get_method("score-cam"))
    asked = read_arguments("estimate_seconds", {"method": told, "settings": {}})
    assert asked == {"method": get_method("score-cam"), "settings": get_method("score-cam").settings()}
    with pytest.raises(MethodError, match="does not take eps"):
        read_arguments("capture", {"method": "cf-cam", "settings": {"eps": -1}})
    with pytest.raises(MethodError, match="no-cam"):
        read_arguments("estimate_seconds", {"method": "no-cam"})
