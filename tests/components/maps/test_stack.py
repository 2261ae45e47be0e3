"""The whole series on Compare: what the strip shows, and when a run gives way to another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from components.maps import stack
from components.maps.stack import Ask, StackRun, build_lanes
from components.session.work import Work
from explain.engine.explanation import Prediction
from explain.engine.slices import SliceAnswer
from explain.errors import Cancelled, MethodError
from explain.methods import get_method
from explain.pictures.picture import Section
from tests.explain.engine.test_slices import answer
from tests.explain.engine.test_stacks import make_stack

CAT, LYNX = Prediction(0, "cat", 0.5, 1.0), Prediction(1, "lynx", 0.7, 2.0)


def say(index: int, values: np.ndarray, probability: float | None, best: Prediction = CAT) -> SliceAnswer:
    return replace(answer(index, values), probability=probability, score=10.0 * index, predictions=(best,))


def test_lanes_say_what_each_slice_is() -> None:
    found = [
        say(3, np.ones((2, 2)), 0.9),
        say(4, np.full((2, 2), 0.01), 0.2, LYNX),
        say(2, -np.ones((2, 2)), 0.5),
        SliceAnswer(1, 0, "cat", problem="It failed."),
    ]
    likely, grad = build_lanes(found, ["grad-cam", "eigen-cam"])
    assert (likely.title, likely.values) == ("cat", {3: 0.9, 4: 0.2, 2: 0.5})
    assert likely.said == {3: "90 %", 4: "20 %, likeliest lynx", 2: "50 %"} and likely.scale[-1] == (1.0, "100 %")
    assert grad.title == "Grad-CAM" and grad.said == {3: "100 %", 4: "1 %, almost blank", 2: "blank"}
    assert (grad.blank, grad.faint, grad.scale) == ({2}, {4}, ())
    assert build_lanes([found[-1]], ["grad-cam"]) == []


def test_a_value_goes_from_its_lowest_to_its_highest() -> None:
    lane = build_lanes([say(at, np.ones((1, 1)), None) for at in (1, 3, 2)], [])[0]
    assert lane.values == {1: 0.0, 3: 1.0, 2: 0.5} and lane.scale == ((0.0, "10"), (1.0, "30"))
    assert lane.said[3] == "30" and build_lanes([say(1, np.ones((1, 1)), None)], [])[0].values == {1: 0.5}


def make_ask(**changed: Any) -> Ask:
    model = SimpleNamespace(fingerprint="f", outputs="classes", labels=("cat", "lynx"))
    given: dict[str, Any] = {"layer": "auto", "score": "logit", "usable": ["grad-cam"], "model": model, "target": None}
    settings = {name: get_method(name).settings() for name in ("grad-cam", "cf-cam")} | changed.pop("settings", {})
    section = replace(Section("d", "stack", 3, "Brain"), **changed.pop("section", {}))
    target = changed.pop("class_", 0)
    return Ask(make_stack(), section, SimpleNamespace(**{**given, **changed}), settings, target)  # type: ignore[arg-type]


def test_what_makes_another_stack_and_what_only_other_maps() -> None:
    first = make_ask()
    assert make_ask(section={"index": 5}).key == first.key, "another slice in view"
    cf_cam = {"usable": ["grad-cam", "cf-cam"]}
    assert make_ask(**cf_cam).base == first.base and make_ask(**cf_cam).key != first.key
    moved = {"settings": {"cf-cam": get_method("cf-cam").settings(eps=3)}}
    assert make_ask(**cf_cam, **moved).base == first.base and make_ask(**cf_cam, **moved).key != make_ask(**cf_cam).key
    others = [{"class_": 1}, {"layer": "x"}, {"score": "probability"}, {"section": {"window": "Lung"}}]
    others += [{"section": {"plane": "coronal"}}, {"section": {"volume": "e"}}, {"section": {"inverted": True}}]
    assert len({make_ask(**other).base for other in others} | {first.base}) == 8
    assert (first.count, first.there) == (7, [0, 1, 2, 3, 5, 6])


class Engine:
    """Answers three slices and then does as it is told."""

    def __init__(self, end: Exception | None = None) -> None:
        self.end = end

    def explain_stack(self, *_: Any, **__: Any) -> Iterator[SliceAnswer]:
        for at in (3, 2, 5):
            yield answer(at, np.ones((2, 2)))
        if self.end is not None:
            raise self.end


@pytest.mark.parametrize(
    ("end", "stopped", "problem"),
    [
        (None, False, ""),
        (Cancelled("Stopped."), True, ""),
        (MethodError("No."), False, "No."),
        (
            ZeroDivisionError("internals"),
            False,
            "The series could not be explained. The reason is in the server's log.",
        ),
    ],
)
def test_whatever_ends_it_answers_stay(end: Exception | None, stopped: bool, problem: str) -> None:
    ask = make_ask()
    run = StackRun("d", ask.base, ask.key, "as chosen")
    run.work = Work(lambda work: run.explain(Engine(end), ask, work))  # type: ignore[arg-type]
    run.work.result()
    assert list(run.answers) == [3, 2, 5] and run.is_over()
    assert (run.stopped, run.problem) == (stopped, problem)
    run.go_on()
    assert not run.is_over() and run.work is None and list(run.answers) == [3, 2, 5]


def test_who_is_away_holds_no_slices() -> None:
    ask, kept = make_ask(), answer(3, np.ones((4, 5)))
    run = StackRun(
        "d", ask.base, ask.key, "as chosen", answers={3: kept}, earlier={3: kept, 2: answer(2, np.ones((1, 1)))}
    )
    assert run.count_bytes() == (20 + 1) * 4, "what is held twice counts once"
    began, go_on = threading.Event(), threading.Event()

    class Slow(Engine):
        def explain_stack(self, *given: Any, **named: Any) -> Iterator[SliceAnswer]:
            for found in super().explain_stack(*given, **named):
                yield found
                began.set()
                go_on.wait()

    run.work = Work(lambda work: run.explain(Slow(), ask, work))  # type: ignore[arg-type]
    began.wait()
    run.let_go(20)
    go_on.set()
    run.work.result()
    assert run.count_bytes() == 0 and not run.answers and not run.earlier and run.is_over()
    assert run.work.cancel.is_set()


def test_nobody_looks_any_more() -> None:
    ask = make_ask()
    run = StackRun("d", ask.base, ask.key, "as chosen", watched=time.monotonic() - 1000)
    Work(lambda work: run.explain(Engine(), ask, work)).result()  # type: ignore[arg-type]
    assert list(run.answers) == [3] and run.stopped


def test_other_settings_begin_with_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, Any] = {}
    monkeypatch.setattr("streamlit.session_state", state)
    ask = make_ask()
    run = state[stack._RUN] = StackRun("d", ask.base, ask.key, "as chosen", answers={3: answer(3, np.ones((1, 1)))})
    assert stack._find_run(ask) is run
    other = stack._find_run(make_ask(usable=["cf-cam"]))
    assert other is not None and other is not run and run.stopped and not other.stopped
    assert list(other.earlier) == [3] and not other.answers
    other.stop()
    last = stack._find_run(ask)
    assert last is not None and last.stopped and list(last.earlier) == [3], "what was stopped does not begin by itself"
    assert stack._find_run(make_ask(class_=1)) is None and stack._RUN not in state


def test_attention_that_was_trained_anew_under_its_name_asks_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(digest="one")
    monkeypatch.setattr("explain.models.attention_library.find_attention", lambda model, name: found)
    settings = {"t-tame": get_method("t-tame").settings()}
    ask = make_ask(usable=["grad-cam", "t-tame"], settings=settings)
    before = ask.key
    assert ask.key == before
    found.digest = "another"
    assert ask.key != before
