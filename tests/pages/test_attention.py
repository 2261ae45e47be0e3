"""The Studio's view of trained attention, driven without a browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from explain.datasets.dataset import DataSet
from explain.datasets.reading import TOGETHER
from explain.engine.engine import Engine
from explain.errors import ExplainError
from explain.models.attention_library import LIBRARY, save_attention
from explain.models.attention_report import HONEST
from explain.networks.trained_attention import TrainedAttention
from explain.training.attention_recipe import AttentionRecipe
from explain.training.outcome import AttentionOutcome, Epoch
from explain.training.run import RunState
from tests.support.attention import REPORT, make_card

Open = Callable[..., Any]
TOKEN = "a" * 43
EPOCHS = tuple(Epoch(number, 2.0 / number, 90.0, 2.2 / number, 88.0, 0.5, 120.0) for number in (1, 2))
OUTCOME = AttentionOutcome(REPORT, 2, EPOCHS, 1800, 200, 240.0, False, True)


@dataclass
class FakeRun:
    """A training that is where a test puts it."""

    now: ClassVar[RunState]
    started: ClassVar[list[tuple[DataSet, Any, AttentionRecipe, str]]] = []
    token: str = TOKEN

    @classmethod
    def find(cls, token: str) -> FakeRun | None:
        return cls() if token == TOKEN else None

    @classmethod
    def start(
        cls, dataset: DataSet, backbone: Any, recipe: AttentionRecipe, name: str, *_: object, keep: bool
    ) -> FakeRun:
        cls.started.append((dataset, backbone, recipe, name))
        return cls()

    def state(self) -> RunState:
        return self.now

    def pause(self) -> None:
        """Nothing to pause."""

    resume = cancel = delete = pause

    def dataset(self) -> DataSet:
        raise ExplainError("They were not kept.")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[FakeRun]:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))
    FakeRun.started = []
    FakeRun.now = RunState("training", "my-maps", EPOCHS, 5, 0.4, 60.0, "", None, trains="attention")
    monkeypatch.setattr("pages.studio_views.attention.TrainingRun", FakeRun)
    monkeypatch.setattr("pages.studio_views.following.TrainingRun", FakeRun)
    return FakeRun


def press(dashboard: Any, label: str) -> None:
    next(button for button in dashboard.test.button if button.label == label).click().run()


def test_one_press_away_from_a_training(open_dashboard: Open, run: type[FakeRun]) -> None:
    words = {"model": "photo-cnn", "view": "attention"}
    studio = open_dashboard(words, "studio", {"studio-species": 2, "studio-each": 10})
    assert not studio.test.exception and not studio.test.error
    assert "20 pictures: 16 to learn from, 4 kept back." in studio.sentences
    assert "For photo-cnn: 5 epochs; what a map hides is black." in studio.sentences
    assert "4 of the pictures kept back say" in studio.sentences and "deleted as soon as it is over" in studio.sentences
    studio.test.slider(key="attention-recipe.epochs").set_value(2).run()
    press(studio, "Start training")
    ((dataset, backbone, recipe, name),) = run.started
    assert dataset.labels == (TOGETHER,) and backbone.name == "photo-cnn"
    assert recipe == AttentionRecipe(epochs=2) and name == "photo-cnn-sample-birds"
    assert studio.words["run"] == TOKEN
    assert {"Pause", "Cancel"} <= {button.label for button in studio.test.button}


def test_what_came_of_it_is_said_beside_other_methods(open_dashboard: Open, run: type[FakeRun]) -> None:
    loaded = Engine().load("photo-cnn")
    base = make_card(loaded, ("stages.0", "stages.1"))
    kept = save_attention("my-maps", TrainedAttention(base.channels, 10, base.grid).state_dict(), base)
    open_report = REPORT.model_copy(update={"area": 0.8})
    outcome = replace(OUTCOME, worth=open_report)
    run.now = RunState("done", "my-maps", EPOCHS, 5, 1.0, None, "", outcome, kept.digest, False, "attention")
    studio = open_dashboard({"model": "photo-cnn", "view": "train", "run": TOKEN}, "studio")
    assert not studio.test.exception
    said = " ".join(markdown.value for markdown in studio.test.markdown)
    assert "On 300 pictures it did not learn from" in said and "lowers the class further than with" in said
    assert HONEST in studio.sentences
    assert any("All open" in warning.value for warning in studio.test.warning)
    press(studio, "Show its maps")
    assert studio.test.session_state["methods"] == ["grad-cam", "t-tame"]
    assert studio.test.session_state["setting:t-tame.module"] == "my-maps"
    LIBRARY.delete("my-maps")
    studio = open_dashboard({"model": "photo-cnn", "view": "train", "run": TOKEN}, "studio")
    assert any("was deleted since" in warning.value for warning in studio.test.warning)
