"""The form that understands a file: its rows, and what comes of what a person writes there."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.choices.file_form import list_others, list_rows, name_assumed, read_edits, read_numbers
from explain.errors import ModelError
from explain.models.guess import Candidate
from explain.models.inspection import Finding, Inspection
from explain.models.request import ModelRequest, build_file_request

ROOT = Path(__file__).resolve().parents[3]


CANDIDATES = (
    Candidate("torchvision/resnet18", 1.0, ("timm/resnet18",)),
    Candidate("timm/resnet18d", 0.95),
    Candidate("timm/resnet10t", 0.4),
)


def build(*findings: Finding, architecture: str | None = "torchvision/resnet18") -> Inspection:
    request = ModelRequest(source="file", name="mine.pt", architecture=architecture)
    return Inspection(request, CANDIDATES, findings, None, None)


def test_each_finding_is_a_row_that_can_be_changed_where_something_changes_it() -> None:
    head, architecture, size, mean, names, outputs = list_rows(
        build(
            Finding("head", "its own", "its names"),
            Finding(
                "architecture", "torchvision/resnet18", "as told; all agree", "architecture", "torchvision/resnet18"
            ),
            Finding("input size", "256x128 pixels", "as told", "input_size", [256, 128]),
            Finding("mean", "0.485, 0.4", "what it was published with", "mean", [0.485, 0.4], is_assumed=True),
            Finding("class names", "a, b", "in the file", "label_names", ["a", "b"]),
            Finding("outputs", "one number", "only you can tell", "outputs", None),
        ),
        {"architecture": "the link says so", "input_size": "as you said"},
    )
    assert (head.kind, head.field, head.title) == ("said", None, "Head")
    assert architecture.reason == "the link says so; all agree"
    assert (size.text, size.reason, size.title) == ("256x128", "as you said", "Input size (pixels)")
    assert (mean.text, mean.kind, mean.reason) == ("0.485, 0.4", "numbers", "as torchvision/resnet18 was published")
    assert names.text == "a\nb"
    assert outputs.is_open_question and outputs.kind == "choice" and "logit" in outputs.options
    assert name_assumed([size, mean]) == "mean" and name_assumed([size]) == ""


@pytest.mark.parametrize(("count", "absent"), [(None, set()), (1, {"classes"}), (14, {"logit"})])
def test_what_so_many_numbers_cannot_mean_is_not_offered(count: int | None, absent: set[str]) -> None:
    request = ModelRequest(source="file", name="mine.pt", architecture="torchvision/resnet18")
    candidates = (Candidate("torchvision/resnet18", 1.0, num_classes=count),)
    finding = Finding("outputs", "classes", "as told", "outputs", "classes")
    row = list_rows(Inspection(request, candidates, (finding,), None, None))[0]
    assert {"classes", "findings", "logit", "value"} - {*row.options} == absent


def test_an_architecture_that_is_not_told_is_not_filled_in() -> None:
    finding = Finding("architecture", "torchvision/resnet18?", "", "architecture", "torchvision/resnet18")
    assert list_rows(build(finding, architecture=None))[0].text == ""
    assert [*list_others(build(finding, architecture=None))] == [
        "torchvision/resnet18",
        "timm/resnet18d",
        "timm/resnet10t",
        "timm/resnet18",
    ]
    assert list_others(build(finding)) == {"timm/resnet18d": "95 %", "timm/resnet18": "looks the same"}


def test_what_is_written_becomes_arguments_of_a_request() -> None:
    edits = {"mean": "0.5; 0.5, 0.5", "input_size": " 256x128 ", "channels": "1", "labels": "numbered", "fit": ""}
    given = read_edits(edits)
    assert given == {"mean": (0.5, 0.5, 0.5), "input_size": "256x128", "channels": 1}
    assert build_file_request(b"x", "mine.pt", **given).input_size == (256, 128)
    assert read_edits({"label_names": "10 cats\n2 dogs\n"}) == {"label_names": ("10 cats", "2 dogs")}
    assert read_edits({"label_names": '{"1": "b", "0": "a"}'}) == {"label_names": ("a", "b")}
    assert read_edits({"label_names": ("a", "b")}) == {"label_names": ("a", "b")}


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("", None), ("  ", None), ("0.5", (0.5,)), ("0.1, 0.2,0.3", (0.1, 0.2, 0.3)), ("1;2", (1.0, 2.0))],
)
def test_numbers(text: str, numbers: tuple[float, ...] | None) -> None:
    assert read_numbers("mean", text) == numbers


@pytest.mark.parametrize("text", ["half", "0.5,", "0,5 mm"])
def test_what_is_no_number_is_a_sentence(text: str) -> None:
    with pytest.raises(ModelError, match="mean is written"):
        read_numbers("mean", text)


def test_the_form_needs_no_torch() -> None:
    code = "import sys; import components.choices.file_form; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "False", done.stderr
