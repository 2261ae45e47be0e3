"""The form that understands a file: its rows, and what comes of what a person writes there."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.choices.file_form import FormRow, list_rows, read_rows
from explain.errors import ModelError
from explain.models.guess import Candidate
from explain.models.inspection import Finding, Inspection
from explain.models.request import ModelRequest, build_file_request

ROOT = Path(__file__).resolve().parents[3]


def look(*findings: Finding) -> list[FormRow]:
    candidates = (Candidate("torchvision/resnet18", 1.0, ("timm/resnet18",)), Candidate("timm/resnet18d", 0.7))
    request = ModelRequest(source="file", name="mine.pt")
    return list_rows(Inspection(request, candidates, findings, None, None))


def test_each_finding_is_a_row_that_can_be_changed_where_something_changes_it() -> None:
    head, architecture, size, mean, names = look(
        Finding("head", "its own", "its names"),
        Finding("architecture", "torchvision/resnet18", "all agree", "architecture", "torchvision/resnet18"),
        Finding("input size", "256x128 pixels", "as told", "input_size", [256, 128]),
        Finding("mean", "0.485, 0.456, 0.406", "published so", "mean", [0.485, 0.456, 0.406], is_assumed=True),
        Finding("class names", "a, b", "in the file", "label_names", ["a", "b"]),
    )
    assert (head.kind, head.field, head.title) == ("said", None, "Head")
    assert architecture.kind == "choice"
    assert architecture.options == ("torchvision/resnet18", "timm/resnet18", "timm/resnet18d")
    assert (size.text, mean.text, mean.kind, names.text) == ("256x128", "0.485, 0.456, 0.406", "numbers", "a\nb")
    rows = [head, architecture, size, mean, names]
    assert read_rows(rows, {}) == {
        "architecture": "torchvision/resnet18",
        "input_size": "256x128",
        "label_names": ("a", "b"),
    }, "what is assumed and left stays open"
    changed = read_rows(rows, {"mean": "0.5; 0.5, 0.5", "architecture": "timm/resnet18", "label_names": "x\ny"})
    assert changed["mean"] == (0.5, 0.5, 0.5) and changed["label_names"] == ("x", "y")
    assert build_file_request(b"x", "mine.pt", **changed).input_size == (256, 128)
    with pytest.raises(ModelError, match="mean is written as numbers"):
        read_rows(rows, {"mean": "a lot"})


def test_the_form_needs_no_torch() -> None:
    code = "import sys; import components.choices.file_form; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "False", done.stderr
