"""`compare-methods` on the command line: from a run to a table and a plot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explain.collections.comparing import Asked
from explain.collections.gathered import Gathered
from explain.commands.collect import CANCELLED
from explain.errors import Cancelled
from tests.explain.collections.test_comparison import write_figures
from tests.support.collection_runs import write_run

Run = Callable[[str], tuple[int, str, str]]


def test_a_run_becomes_a_table_and_a_plot(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "run", 9)
    (tmp_path / "boxes.csv").write_text(
        "file;left;top;right;bottom\n" + "".join(f"00{n}.png;0;0;30;30\n" for n in range(9))
    )
    asked: list[Asked] = []

    def measure(order: Asked, tell: Callable[..., Any]) -> None:
        asked.append(order)
        for question in order.questions:
            columns = question.fields.names[3:]
            figures = {id: dict.fromkeys(columns, number / 10) for number, id in enumerate(order.sample.ids)}
            write_figures(Gathered(tmp_path / "run"), question, figures)

    monkeypatch.setattr("explain.commands.compare_methods.measure", measure)
    status, printed, _ = run(
        f"compare-methods {tmp_path / 'run'} --limit 6 --seed 4 --boxes {tmp_path / 'boxes.csv'} --against grad-cam "
        f"--measures deletion --tolerance 3 --out {tmp_path / 'paper'}"
    )
    assert status == 0
    assert "6 of 8 explained pictures, drawn by seed 4." in printed
    assert "Grad-CAM cannot be told apart from Centre and Random" in printed and "Pointing game" in printed
    assert {path.name for path in (tmp_path / "paper").iterdir()} == {
        f"comparison.{ending}" for ending in ("csv", "tex", "json", "pdf", "svg")
    }
    assert "at most 3 pixels beside it" in (tmp_path / "paper" / "comparison.json").read_text(encoding="utf-8")
    first, second = asked[0].questions
    assert first.measures == ("deletion",) and (second.tolerance, second.by_class) == (3.0, False)
    assert len(asked[0].order.regions) == 6


def test_what_cannot_be_is_a_sentence(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "run", 3)
    assert "There is no run in" in run(f"compare-methods {tmp_path}")[2]
    status, _, told = run(f"compare-methods {tmp_path / 'run'} --measures none")
    assert status == 2 and "Name a measure, or give regions" in told
    assert "cannot be measured of a run's maps" in run(f"compare-methods {tmp_path / 'run'} --measures adcc")[2]

    def stop(*args: object) -> None:
        raise Cancelled

    monkeypatch.setattr("explain.commands.compare_methods.measure", stop)
    status, _, told = run(f"compare-methods {tmp_path / 'run'}")
    assert status == CANCELLED and "What is measured stays" in told
