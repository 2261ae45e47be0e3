"""`show --stack`: every slice that is there, one class, one scale, a table, and nothing of the patient in any of it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from explain.commands.show import show
from explain.commands.stack import WholeStack, show_stack
from explain.engine.explanation import Prediction
from explain.engine.slices import SliceAnswer
from explain.errors import ExplainError
from explain.report.export import Report
from tests.explain.commands.test_series import folder  # noqa: F401 - a fixture
from tests.explain.engine.test_slices import answer
from tests.explain.engine.test_stacks import make_stack
from tests.support.dicom_files import SECRETS


def test_a_whole_stack(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    out = tmp_path / "out"
    show([folder], out=out, model="birds-cnn", methods="grad-cam", stack=True, slice_="2")
    said = capsys.readouterr()
    with (out / "stack.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert [row["slice"] for row in rows] == [str(at) for at in range(1, 8)] and rows[3]["note"] == "not in the series"
    explained = [row for row in rows if row["class"]]
    assert len(explained) == 6 and len({row["class"] for row in explained}) == 1
    assert explained[0]["class"] == rows[1]["likeliest"]  # the class of the slice that was named
    assert max(float(row["grad-cam strength"]) for row in explained) == 1
    assert f"6 of 7 slices explained for “{explained[0]['class']}”, with one scale" in said.out
    assert "1 not in the series" in said.out and "Caution: " in said.out
    with np.load(out / "maps.npz") as maps:
        assert len(maps.files) == 6
    written = b"".join(path.read_bytes() for path in out.iterdir()) + "".join(map(str, out.iterdir())).encode()
    assert not [secret for secret in SECRETS if secret.encode() in written or secret in said.out + said.err]
    with pytest.raises(ExplainError, match="leave verdicts"):
        show([folder], out=out, model="birds-cnn", stack=True, verdicts=True)
    with pytest.raises(ExplainError, match="one class"):
        show([folder], out=out, model="birds-cnn", stack=True, target=["0", "1"])


def test_stopped_and_failed_slices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answers() -> Iterator[SliceAnswer]:
        yield SliceAnswer(3, 0, "cat", problem="It is too odd.")
        raise KeyboardInterrupt

    with Report(tmp_path) as report, pytest.raises(ExplainError, match="Slice 4: It is too odd"):
        show_stack(WholeStack(make_stack(), "stack", None, 3), answers(), lambda *_: pytest.fail(), report)
    with Report(tmp_path) as report, pytest.raises(ExplainError, match="Stopped before"):
        show_stack(WholeStack(make_stack(), "stack", None, 3), iter(()), lambda *_: pytest.fail(), report)
    assert "It is too odd" in capsys.readouterr().err and not [*tmp_path.iterdir()]


def test_stopped_what_is_there_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answers() -> Iterator[SliceAnswer]:
        for index in (3, 2):
            yield replace(answer(index, np.ones((2, 2))), predictions=(Prediction(0, "cat", 0.5, 1.0),))
        raise KeyboardInterrupt

    added: list[tuple[object, object]] = []
    report: Any = SimpleNamespace(folder=tmp_path, add=lambda one, scales: added.append((one, scales)))
    stack = WholeStack(make_stack(), "stack", None, 3)
    found, left_out = show_stack(stack, answers(), lambda picture, _: picture.name, report)  # type: ignore[arg-type, return-value]
    assert added == [("CT, 6 slices, no. 3", {"grad-cam": (1, 1)}), ("CT, 6 slices, no. 4", {"grad-cam": (1, 1)})]
    with (tmp_path / "stack.csv").open() as file:
        assert [row["slice"] for row in csv.DictReader(file) if row["class"]] == ["3", "4"]
    said = capsys.readouterr()
    assert [one.index for one in found] == [3, 2]
    assert left_out == ["Stopped: 4 slices were not explained."] and left_out[0] in said.err
    assert "2 of 7 slices explained for “cat”" in said.out
