"""Stacks: every slice as it is alone, one class and one scale for all, nothing run twice and little kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from explain.engine import stacks
from explain.engine.engine import Engine
from explain.engine.slices import SliceAnswer
from explain.errors import Cancelled, MethodError, PictureError, TargetError
from explain.methods import Method
from explain.models.loaded import LoadedModel
from explain.passes.count import Passes
from explain.volumes.volume import Volume
from tests.explain.volumes.test_volume import volume
from tests.support.engine import NONE, make_method, spend, stop

METHODS = ["grad-cam", "eigen-cam", "cf-cam", "prompt-cam"]
DEPTH = 7
MISSING = 4


def make_stack() -> Volume:
    """Seven slices of noise, of which the fifth is missing."""
    numbers = np.random.default_rng(0).integers(0, 2000, (DEPTH, 32, 40)).astype(np.int16)
    return volume(numbers, present=np.arange(DEPTH) != MISSING)


def explain(engine: Engine, model: LoadedModel, scan: Volume, **asked: object) -> list[SliceAnswer]:
    return [*engine.explain_stack(scan, model, METHODS, **asked)]  # type: ignore[arg-type]


def test_each_slice_is_what_it_is_alone(engine: Engine, cnn: LoadedModel) -> None:
    """The oracle: the slice as a picture, explained by itself for the class of the slice in view."""
    scan, alone = make_stack(), Engine("cpu")
    target = alone.explain(scan.slice(3, window="Bone"), cnn, METHODS).pictures[0].targets[0]
    answers = explain(engine, cnn, scan, first=3, window="Bone")
    assert [answer.index for answer in answers] == [3, 2, 5, 1, 6, 0]
    own = set()
    for answer in answers:
        entry = alone.explain(scan.slice(answer.index, window="Bone"), cnn, METHODS, target=target).pictures[0]
        own.add(entry.predictions[0].index)
        assert (answer.target, answer.label) == (target, entry.labels[0])
        assert {name: one.values.tobytes() for name, one in answer.maps.items()} == {
            one.method: one.values.tobytes() for one in entry.maps
        }
        assert all(not one.details and one.box == entry.maps[0].box for one in answer.maps.values())
        assert answer.predictions == entry.predictions and answer.caution == entry.caution
        as_picture = answer.lay_on(entry.picture)
        assert (as_picture.layers, as_picture.targets) == (entry.layers, entry.targets)
        assert [one.key for one in as_picture.maps] == [one.key for one in entry.maps]
        said = {one.index: one for one in entry.predictions}
        if target in said:
            assert answer.probability == pytest.approx(said[target].probability)
            assert answer.score == pytest.approx(said[target].score)
        assert list(answer.unavailable) == ["prompt-cam"] and not answer.problem
    assert len(own) > 1  # so that one class for all is something else than each slice's own


def test_one_look_a_slice_and_none_again(engine: Engine, cnn: LoadedModel) -> None:
    scan = make_stack()
    count = DEPTH - 1
    assert spend(engine, lambda: explain(engine, cnn, scan, target=1)) == Passes(count, count)
    assert spend(engine, lambda: explain(engine, cnn, scan, target=1, first=0)) == NONE
    assert all(answer.remembered for answer in explain(engine, cnn, scan, target=1))
    # Another class, setting or window is looked at again; fewer methods are not.
    assert spend(engine, lambda: [*engine.explain_stack(scan, cnn, ["eigen-cam"], target=1)]) == NONE
    for other in ({"target": 2}, {"window": "Lung"}, {"invert": True}, {"score": "probability"}, {"plane": "coronal"}):
        first = next(engine.explain_stack(scan, cnn, METHODS, **{"target": 1, **other}))  # type: ignore[arg-type]
        assert not first.remembered
    engine.forget()
    assert not next(engine.explain_stack(scan, cnn, METHODS, target=1)).remembered


def test_of_the_slices_only_that_in_view_is_kept_whole(engine: Engine, cnn: LoadedModel) -> None:
    scan = make_stack()
    engine.explain(scan.slice(3), cnn, METHODS)
    before = engine.bytes_kept
    explain(engine, cnn, scan, first=3)
    assert engine.bytes_kept == before
    settings = {"cf-cam": {"eps": 2.0}}
    assert spend(engine, lambda: engine.explain(scan.slice(3), cnn, METHODS, settings=settings)) == NONE


def test_what_is_remembered_is_bounded(engine: Engine, cnn: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    explain(engine, cnn, make_stack(), target=0)
    one = next(iter(engine._stacks._kept.values())).bytes_kept
    assert 0 < one < 20_000, "maps and scores, and nothing else"
    monkeypatch.setattr(stacks, "_MOST_KEPT", 3 * one)
    explain(engine, cnn, make_stack(), target=1)
    assert 1 <= len(engine._stacks._kept) <= 3


def test_stopped_the_rest_is_known(engine: Engine, cnn: LoadedModel) -> None:
    cancel, told = threading.Event(), []
    answers = engine.explain_stack(
        make_stack(), cnn, METHODS, target=0, cancel=cancel, progress=lambda share, text: told.append((share, text))
    )
    assert [next(answers).index for _ in range(3)] == [3, 2, 5]
    cancel.set()
    with pytest.raises(Cancelled):
        next(answers)
    assert told[:3] == [(0.0, "1 of 6 slices"), (1 / 6, "2 of 6 slices"), (2 / 6, "3 of 6 slices")]
    assert [answer.remembered for answer in explain(engine, cnn, make_stack(), target=0)] == [True] * 3 + [False] * 3


def test_a_slow_method_is_stopped_inside_of_a_slice(
    engine: Engine, cnn: LoadedModel, register: Callable[[Method], Method]
) -> None:
    cancel = threading.Event()
    register(make_method("stopping", lambda _capture, _settings: stop(cancel)))
    answers = engine.explain_stack(make_stack(), cnn, ["stopping", "grad-cam"], target=0, cancel=cancel)
    with pytest.raises(Cancelled):
        next(answers)


def test_a_slice_that_fails_costs_itself(engine: Engine, cnn: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    see, scan = engine._observer.see_all, make_stack()

    def fail(sight, *others):  # type: ignore[no-untyped-def]
        if sight.picture.section.index == 2:
            raise PictureError("It is too odd.")
        return see(sight, *others)

    monkeypatch.setattr(engine._observer, "see_all", fail)
    answers = {answer.index: answer for answer in explain(engine, cnn, scan, target=1)}
    assert answers[2].problem == "It is too odd." and not answers[2].maps and answers[2].probability is None
    assert all(not answer.problem and answer.maps for at, answer in answers.items() if at != 2)


def test_side_by_side_is_the_same(cnn: LoadedModel) -> None:
    """Three slices go through the network at once, as on a GPU."""
    alone, together = Engine("cpu"), Engine("cpu", batch=3)
    one, other = explain(alone, cnn, make_stack(), target=1), explain(together, cnn, make_stack(), target=1)
    assert [answer.index for answer in one] == [answer.index for answer in other]
    for a, b in zip(one, other, strict=True):
        assert np.allclose(a.maps["grad-cam"].values, b.maps["grad-cam"].values, atol=1e-5)
    assert together.bytes_kept <= alone.bytes_kept


def test_who_waits_for_one_picture_goes_first(engine: Engine, cnn: LoadedModel) -> None:
    answers = engine.explain_stack(make_stack(), cnn, METHODS, target=0)
    next(answers)
    order: list[str] = []

    def go_on() -> None:
        next(answers)
        order.append("slice")

    with engine._stacks.going_first():
        thread = threading.Thread(target=go_on)
        thread.start()
        time.sleep(0.1)
        order.append("picture")
    thread.join()
    assert order == ["picture", "slice"]


def test_what_is_refused(engine: Engine, cnn: LoadedModel) -> None:
    scan = make_stack()
    for asked, error, words in (
        ({"first": 9}, PictureError, "no slice 10"),
        ({"window": "Jane"}, PictureError, "no window"),
        ({"target": [0, 1]}, TargetError, "one class"),
        ({"target": 99}, TargetError, "no class 99"),
        ({"settings": {"cf-cam": {"eps": -1}}}, MethodError, "eps"),
    ):
        with pytest.raises(error, match=words):
            explain(engine, cnn, scan, **asked)  # type: ignore[arg-type]


def test_how_long_it_will_take(engine: Engine, cnn: LoadedModel) -> None:
    assert engine.estimate_stack(cnn, (), 140) is None
    maps = engine.explain(make_stack().slice(3), cnn, METHODS).pictures[0].maps
    plain, estimate = engine.estimate_stack(cnn, (), 140), engine.estimate_stack(cnn, maps, 140)
    assert plain and estimate and estimate == pytest.approx(plain + 140 * sum(one.seconds for one in maps))
