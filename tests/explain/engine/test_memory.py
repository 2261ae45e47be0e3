"""What the engine remembers: within its bytes, never another's, and freed once it is forgotten."""

import ctypes
import gc
import resource
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from explain.engine.engine import Engine
from explain.engine.question import DEFAULT_METHODS
from explain.errors import Cancelled, TargetError
from explain.methods import Method
from explain.models.loaded import LoadedModel
from explain.models.request import ModelRequest
from explain.passes.count import Passes
from tests.support.engine import (
    NONE,
    ONE_LOOK,
    build_model,
    count_weights,
    make_method,
    make_picture,
    spend,
    stop,
    values_of,
)


def test_nothing_handed_out_can_change_what_is_kept(engine: Engine, vit: LoadedModel) -> None:
    picture = make_picture()
    before = values_of(engine.explain(picture, vit))
    for heatmap in engine.explain(picture, vit).pictures[0].maps:
        for array in (heatmap.values, *heatmap.details.values()):
            if isinstance(array, np.ndarray):
                with pytest.raises(ValueError, match="read-only"):
                    array[...] = 0
    assert values_of(engine.explain(picture, vit)) == before


def test_what_does_not_fit_is_forgotten_and_comes_out_the_same(vit: LoadedModel) -> None:
    pictures = [make_picture(seed) for seed in range(4)]
    roomy, tight = Engine("cpu"), Engine("cpu", capture_bytes=1)
    expected = values_of(roomy.explain(pictures, vit))
    assert values_of(tight.explain(pictures, vit)) == expected
    assert spend(tight, lambda: tight.explain(pictures[3], vit)) == NONE  # the newest always stays
    assert spend(tight, lambda: tight.explain(pictures[0], vit)) == Passes(2, 1)
    assert values_of(tight.explain(pictures, vit)) == expected
    assert spend(roomy, lambda: roomy.explain(pictures, vit)) == NONE


def test_the_least_recently_used_goes_first(cnn: LoadedModel) -> None:
    pictures = [make_picture(seed) for seed in range(3)]
    probe = Engine("cpu")
    probe.explain(pictures[0], cnn)
    engine = Engine("cpu", capture_bytes=int(2.5 * probe.bytes_kept))
    engine.explain(pictures[:2], cnn)
    engine.explain(pictures[0], cnn)
    engine.explain(pictures[2], cnn)
    assert spend(engine, lambda: engine.explain(pictures[0], cnn)) == NONE
    assert spend(engine, lambda: engine.explain(pictures[1], cnn)) == ONE_LOOK


@pytest.mark.parametrize("way", ["explain", "capture", "cancelled", "predict"])
def test_whatever_way_it_came_in_it_is_counted(
    way: str, vit: LoadedModel, register: Callable[[Method], Method]
) -> None:
    engine = Engine("cpu", capture_bytes=1)
    cancel = threading.Event()
    register(make_method("stopping", lambda _c, _s: stop(cancel)))
    for seed in range(3):
        picture = make_picture(seed)
        if way == "explain":
            engine.explain(picture, vit)
        elif way == "capture":
            engine.capture(picture, vit)
        elif way == "predict":
            engine.predict(picture, vit)
        else:
            cancel.clear()
            with pytest.raises(Cancelled):
                engine.explain(picture, vit, ["stopping", "grad-cam"], cancel=cancel)
    assert spend(engine, lambda: engine.predict(make_picture(2), vit)) == NONE
    assert spend(engine, lambda: engine.predict(make_picture(1), vit)) == Passes(1, 0)


def test_maps_are_counted_too(cnn: LoadedModel) -> None:
    """A slider's way leaves many maps behind; they weigh as much as what they were made of."""
    engine = Engine("cpu")
    picture = make_picture()
    engine.explain(picture, cnn)
    before = engine.bytes_kept
    for sigma in range(10):
        engine.explain(picture, cnn, ["cf-cam"], settings={"cf-cam": {"sigma": 0.3 + sigma / 10}})
    heatmap = engine.explain(picture, cnn, ["cf-cam"]).pictures[0].maps[0]
    assert engine.bytes_kept - before >= 10 * heatmap.values.nbytes


@pytest.mark.parametrize("way", ["forget", "evict"])
def test_what_is_forgotten_is_freed_at_once(way: str, vit: LoadedModel) -> None:
    """By counting references alone: a cycle would keep pictures alive until some later collection."""
    engine = Engine("cpu", capture_bytes=1)
    picture = make_picture()
    gc.collect()
    gc.disable()
    try:
        engine.explain(picture, vit)
        capture = engine.capture(picture, vit)
        kept = [weakref.ref(t) for t in (capture.activations, capture.gradients, capture.logits, capture.derived)]
        heatmap = engine.explain(picture, vit).pictures[0].maps[3]
        kept += [weakref.ref(heatmap.values), weakref.ref(heatmap.details["heads"])]
        del capture, heatmap
        assert all(reference() is not None for reference in kept)
        if way == "forget":
            engine.forget()
        else:
            engine.explain(make_picture(1), vit)
        assert [reference() for reference in kept] == [None] * len(kept)
    finally:
        gc.enable()


def test_what_nobody_uses_is_forgotten_and_comes_out_the_same(cnn: LoadedModel) -> None:
    engine = Engine("cpu")
    now = [0.0]
    engine._memory._clock = lambda: now[0]
    old, used = make_picture(0), make_picture(1)
    before = values_of(engine.explain(old, cnn))
    engine.explain(used, cnn)
    kept = engine.bytes_kept
    now[0] = 400.0
    engine.predict(used, cnn)
    now[0] = 600.0
    assert engine.forget_unused(601) == 0
    assert engine.forget_unused(600) == kept - engine.bytes_kept > 0
    assert spend(engine, lambda: engine.explain(used, cnn)) == NONE
    assert spend(engine, lambda: engine.explain(old, cnn)) == ONE_LOOK
    assert values_of(engine.explain(old, cnn)) == before


def measure_resident_bytes() -> int:
    """What the process has in memory, after everything that can be given back was."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measure_tensor_bytes() -> int:
    """Bytes of all tensors alive, however they are held."""
    tensors = [thing for thing in gc.get_objects() if type(thing) in (torch.Tensor, nn.Parameter)]
    return sum(tensor.nbytes for tensor in tensors if not tensor.is_meta)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_many_requests_leave_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, register: Callable[[Method], Method], count: int
) -> None:
    """Mixed requests over five models, most of pictures never seen before; some fail, some are cancelled."""
    seeds = {name: number for number, name in enumerate(("cnn", "vit", "convnext", "cnn b", "vit b"))}
    monkeypatch.setattr(
        "explain.models.load.load_model", lambda r, _w=None: build_model(r.name.split()[0], seeds[r.name])
    )
    register(make_method("failing", lambda _c, _s: 1 // 0))
    engine = Engine("cpu", capture_bytes=200_000, model_bytes=4 * count_weights(build_model("vit")))
    monkeypatch.setattr("explain.engine.failure._log.disabled", True)  # pytest would keep each failure, and its tensors
    rng = np.random.default_rng(0)
    stopped = threading.Event()

    request = ModelRequest(source="hub", name="cnn")

    def ask(number: int) -> None:
        nonlocal request
        if number % 10 == 0:
            request = ModelRequest(source="hub", name=str(rng.choice([*seeds])))
        model = engine.load(request)
        kind = rng.integers(10)
        picture = make_picture(int(number if kind else 0))
        layers = [model.layers[index].name for index in rng.integers(len(model.layers), size=2)]
        methods = [str(rng.choice(DEFAULT_METHODS))]
        if kind == 1:
            (entry,) = engine.explain(picture, model, [*methods, "failing"]).pictures
            assert "failing" in entry.unavailable
        elif kind == 2:
            stopped.clear()
            with pytest.raises(Cancelled):
                engine.explain(
                    [picture, make_picture()], model, methods, progress=lambda *_: stopped.set(), cancel=stopped
                )
        elif kind == 3:
            with pytest.raises(TargetError):
                engine.explain(picture, model, target="unicorn")
        elif kind == 4:
            engine.explain([picture, make_picture()], model, methods, augmentation="flip")
        elif kind < 7:
            sigma = {"cf-cam": {"sigma": float(rng.uniform(0.3, 2))}}
            score = "probability" if kind == 5 else "logit"
            engine.explain(picture, model, methods, layers, [0, int(rng.integers(6))], sigma, score=score)
        else:
            engine.predict(picture, model)
            engine.capture(make_picture(), model)
        for child in model.module.modules():
            assert not child.training
            assert not (child._forward_hooks or child._forward_pre_hooks or child._backward_hooks)
        assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.module.parameters())

    def measure() -> tuple[int, int]:
        assert 0 < engine.bytes_kept <= 200_000
        engine.forget()
        engine._machine.shelf.give_up_others(engine.load(ModelRequest(source="hub", name="cnn")))
        return measure_resident_bytes(), measure_tensor_bytes()

    for number in range(100):
        ask(number)
    resident, tensors = measure()
    for number in range(100, count):
        ask(number)
    resident_now, tensors_now = measure()
    assert resident_now <= 1.05 * resident
    assert tensors_now <= 1.05 * tensors
    assert len(engine._machine.shelf._locks) <= 5
