"""The benchmark of checkpoints: a slice of it meets its bars, and it can tell when they are missed."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import checkpoints
from benchmarks.checkpoints import ARCHITECTURES, BAD, GOOD, Row, add_up, find_missed, is_a_sentence, main, measure
from explain.errors import ModelError


def test_there_are_enough_ways_and_architectures() -> None:
    assert len(GOOD) >= 12 and len(ARCHITECTURES) >= 20 and len(BAD) >= 7
    assert {architecture.partition("/")[0] for architecture in ARCHITECTURES} == {"timm", "torchvision"}


@pytest.mark.slow
def test_a_slice_meets_the_bars() -> None:
    good = ["state_dict", "averaged beside raw", "pruned", "MLP head", "grey stem with bias"]
    figures, rows, others = measure(["timm/resnet10t"], good, ["cut", "text", "TorchScript", "whole model"])
    assert [row.way for row in rows] == good and len(others) == 4
    assert find_missed(figures) == [], figures
    assert "| pruned | 1 | 1 | 1 |" in checkpoints.as_markdown(figures, rows, others)


def test_what_goes_wrong_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_wrongly(request: Any, data: bytes) -> Any:
        if request.architecture is None:
            raise ModelError("“mine.pth” is not to be had.")
        raise RuntimeError("a fault\nof two lines")

    monkeypatch.setattr(checkpoints, "load_model", load_wrongly)
    row = checkpoints.open_bad("text", "timm/resnet10t", checkpoints.build("timm/resnet10t"))
    assert not row.refused and row.said.startswith("RuntimeError")
    rows = [Row("plain", "a", loaded=True, differ=0.1), Row("plain", "b")]
    assert find_missed(add_up(rows, [row], 1)) == list(checkpoints.BARS)
    assert not is_a_sentence("Traceback …\n") and is_a_sentence("“mine.pth” is not to be had.")


def test_figures_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "measure", lambda only, jobs: (add_up([], [], 0), [], []))
    main(["--json", str(tmp_path / "f.json"), "--only", "timm/resnet10t"])
    assert set(checkpoints.BARS) <= set(json.loads((tmp_path / "f.json").read_text())["figures"])
    with pytest.raises(SystemExit):
        main(["--only", "timm/none"])
