"""The folder of a run: its files, read whatever state they are in."""

import json

import pytest

from explain.training.run_folder import Words
from tests.support.training import make_two_colours, prepare_run


def test_progress_cut_short_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_two_colours(), monkeypatch)
    words = Words(run.folder / "progress.jsonl")
    words.say(phase="preparing", message="Loading")
    with (run.folder / "progress.jsonl").open("a") as file:
        file.write('{"phase": "trai')
    words.say(phase="failed", message="Sorry")
    assert (run.state().phase, run.state().message) == ("failed", "Sorry")


def test_the_order_is_kept_as_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare_run(make_two_colours(), monkeypatch)
    order = json.loads((run.folder / "order.json").read_text())
    assert order["recipe"]["epochs"] == 6 and order["backbone"]["name"] == "photo-vit"
