"""`show --stack`: every slice that is there, one class, one scale, a table, and nothing of the patient in any of it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer

from explain.commands.show import show
from explain.commands.stack import WholeStack, show_stack
from explain.engine.slices import SliceAnswer
from explain.errors import ExplainError
from explain.report.export import Report
from tests.explain.commands.test_series import folder  # noqa: F401 - a fixture
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


def test_stopped_what_is_there_is_written(
    folder: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from explain.engine.engine import Engine

    explain = Engine.explain_stack

    def stop(*given: object, **asked: object) -> Iterator[SliceAnswer]:
        for number, answer in enumerate(explain(*given, **asked)):  # type: ignore[arg-type]
            if number == 2:
                raise KeyboardInterrupt
            yield answer

    monkeypatch.setattr(Engine, "explain_stack", stop)
    with pytest.raises(typer.Exit):
        show([folder], out=tmp_path, model="birds-cnn", methods="eigen-cam", stack=True)
    with (tmp_path / "stack.csv").open() as file:
        assert [row["slice"] for row in csv.DictReader(file) if row["class"]] == ["2", "3"]
    assert (tmp_path / "manifest.json").exists() and "Stopped: 4 slices were not explained" in capsys.readouterr().err
