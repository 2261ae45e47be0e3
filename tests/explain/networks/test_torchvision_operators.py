"""torchvision beside a torch that its compiled operators do not fit, and beside one that they do."""

import subprocess
import sys
from pathlib import Path

import pytest

from explain.networks import torchvision_operators as operators

ROOT = Path(__file__).resolve().parents[3]


def test_timm_imports_and_a_second_call_does_nothing() -> None:
    """Whether the operators load by themselves or not, they are there afterwards and timm can be used."""
    code = """
import torch
from explain.networks.torchvision_operators import declare_missing_operators, _is_declared, _load_own_library
if not _load_own_library():
    theirs = torch.library.Library("torchvision", "DEF")
    theirs.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
first = declare_missing_operators()
assert first in ([], ["qnms"]), first
assert _is_declared("nms")
assert declare_missing_operators() == []
import timm, torchvision
print(timm.create_model("resnet10t").num_classes)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1000"


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be declared, instead of declaring it."""
    declared: list[str] = []

    class Library:
        def __init__(self, namespace: str, kind: str) -> None:
            assert (namespace, kind) == ("torchvision", "FRAGMENT")

        def define(self, schema: str) -> None:
            declared.append(schema.partition("(")[0])

    monkeypatch.setattr(operators.torch.library, "Library", Library)
    monkeypatch.setattr(operators, "_library", None)
    return declared


def test_declared_operators_are_left_alone(monkeypatch: pytest.MonkeyPatch, library: list[str]) -> None:
    monkeypatch.setattr(operators, "_is_declared", lambda name: True)
    monkeypatch.setattr(operators, "_load_own_library", lambda: pytest.fail("nothing is missing"))
    assert operators.declare_missing_operators() == [] and library == []


def test_a_library_that_loads_is_left_to_it(monkeypatch: pytest.MonkeyPatch, library: list[str]) -> None:
    monkeypatch.setattr(operators, "_is_declared", lambda name: False)
    monkeypatch.setattr(operators, "_load_own_library", lambda: True)
    assert operators.declare_missing_operators() == [] and library == []


def test_a_library_that_loads_need_not_have_both(monkeypatch: pytest.MonkeyPatch, library: list[str]) -> None:
    """torchvision 0.26 beside a torch that fits has no `qnms`; to declare `nms` again would be refused."""
    loaded: list[str] = []
    monkeypatch.setattr(operators, "_is_declared", lambda name: name == "nms" and bool(loaded))
    monkeypatch.setattr(operators.torch.ops, "load_library", loaded.append)
    assert operators.declare_missing_operators() == [] and library == []
    assert [Path(path).name.startswith("_C") for path in loaded] == [True]


def test_only_what_is_missing_is_declared(monkeypatch: pytest.MonkeyPatch, library: list[str]) -> None:
    monkeypatch.setattr(operators, "_is_declared", lambda name: name == "nms")
    monkeypatch.setattr(operators, "_load_own_library", lambda: False)
    assert operators.declare_missing_operators() == ["qnms"] == library
