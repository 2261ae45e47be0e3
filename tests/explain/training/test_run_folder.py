"""The folder of a run: its files, read whatever state they are in."""

import json

import pytest

from explain.training.run_folder import REPORT, Order, Words
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


def test_what_older_versions_wrote_is_read() -> None:
    order = Order.model_validate_json(
        '{"name": "x", "backbone": {"source": "bundled", "name": "photo-vit"}, "created": 0, '
        '"recipe": {"variant": "last", "epochs": 80, "patience": 26}}'
    )
    assert order.keep and order.recipe.epochs == 80 and order.recipe.together == ""
    report = REPORT.validate_json(
        '{"accuracy": 100, "class_accuracy": [100, 100], "confusion": [[2, 0], [0, 2]], "wrong": [], "best_epoch": 1, '
        '"epochs": [], "pictures": 16, "seconds": 1, "stopped_early": false, "features_cached": true}'
    )
    assert report.judged.describe() == "4 of 4 right (95 % interval 40–100 %); too few to say"
    assert report.judged.manner == "chosen"
