"""Models on the shelf: which are kept, where they are, and that each is loaded and counted once."""

import gc
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from explain.engine.engine import Engine
from explain.errors import DeviceError, ModelError
from explain.models.loaded import LoadedModel
from explain.models.request import ModelRequest
from tests.support.engine import LABELS, NONE, build_model, count_weights, make_picture, spend


def test_loading_the_same_at_once_loads_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []

    def load(request: ModelRequest, weights: bytes | None = None) -> LoadedModel:
        loads.append(request)
        time.sleep(0.05)
        return build_model("cnn")

    monkeypatch.setattr("explain.models.load.load_model", load)
    request = ModelRequest(source="hub", name="cnn")
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(lambda _: engine.load(request), range(4)))
    assert len(loads) == 1
    assert all(model is models[0] for model in models)


def serve_models(monkeypatch: pytest.MonkeyPatch, **seeds: int) -> list[str]:
    """Let `load_model` build a small network for each of these names; gives back the names as they are loaded."""
    loads = []

    def load(request: ModelRequest, weights: bytes | None = None) -> LoadedModel:
        loads.append(request.name)
        if request.name not in seeds:
            raise ModelError(f"There is no model “{request.name}”.")
        return replace(build_model("cnn", seeds[request.name]), request=request, labels=(*LABELS[:5], request.name))

    monkeypatch.setattr("explain.models.load.load_model", load)
    return loads


def name_model(name: str) -> ModelRequest:
    return ModelRequest(source="hub", name=name)


def test_models_used_longest_ago_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = serve_models(monkeypatch, a=1, b=2, c=3)
    engine = Engine("cpu", model_bytes=2 * count_weights(build_model("cnn")))
    for name in ("a", "b", "a", "c", "a", "b"):
        engine.load(name_model(name))
    assert loads == ["a", "b", "c", "b"]
    for _ in range(2):  # a failure is neither kept nor in the way of the next attempt
        with pytest.raises(ModelError):
            engine.load(name_model("bad"))
    assert loads[4:] == ["bad", "bad"]


def test_the_newest_model_stays_however_large_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = serve_models(monkeypatch, a=1, b=2)
    engine = Engine("cpu", model_bytes=1)
    first = engine.load(name_model("a"))
    assert engine.load(name_model("a")) is first
    engine.load(name_model("b"))
    engine.load(name_model("a"))
    assert loads == ["a", "b", "a"]


def test_prompts_are_counted_and_their_network_once(vit: LoadedModel) -> None:
    engine = Engine("cpu")
    engine.load(vit)
    own = sum(tensor.nbytes for tensor in (vit.prompted.prompts, *vit.prompted.score.parameters()))
    assert engine._machine.shelf.bytes_kept == count_weights(vit) + own


def test_the_same_weights_under_two_names_are_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = serve_models(monkeypatch, a=1, b=1)
    engine = Engine("cpu")
    one, other = engine.load(name_model("a")), engine.load(name_model("b"))
    assert one.module is other.module
    assert (one.request.name, other.request.name) == ("a", "b")
    assert (one.labels[5], other.labels[5]) == ("a", "b")
    assert engine._machine.shelf.bytes_kept == count_weights(one)
    assert engine.load(name_model("b")) is other and engine.load(name_model("a")) is one
    assert loads == ["a", "b"]
    engine.explain(make_picture(), one)
    assert spend(engine, lambda: engine.explain(make_picture(), other)) == NONE


def watch_moves(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pretend that a model is moved; gives back where to, as it happens."""
    moves: list[str] = []
    monkeypatch.setattr(
        "explain.engine.shelf.move", lambda module, device: moves.append(device) if module is model.module else None
    )
    return moves


def test_what_is_given_up_leaves_the_device_and_comes_back_when_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.engine.machine.find_device", lambda _name: "meta")
    monkeypatch.setattr("explain.engine.machine.Machine.prepare", lambda *_: torch.zeros(1, 3, 32, 32))
    monkeypatch.setattr("explain.engine.machine.set_arithmetic", lambda *_: torch.no_grad())
    monkeypatch.setattr("explain.engine.machine.describe_device", lambda *_: "a test")
    model = build_model("cnn", 1)
    moves = watch_moves(model, monkeypatch)
    engine = Engine("cuda", model_bytes=1)
    engine.load(model)
    assert moves[-1] == "meta"
    engine.load(build_model("cnn", 2))
    assert moves[-1] == "cpu"
    engine.explain(make_picture(), model, ["grad-cam"])
    assert moves[-1] == "meta"
    with engine._machine.shelf.lock_of(model), ThreadPoolExecutor(1) as pool:  # in use by this thread
        pool.submit(engine.load, build_model("cnn", 3)).result()
    assert moves[-1] == "meta"
    engine.load(build_model("cnn", 4))
    assert moves[-1] == "cpu"


def test_locks_live_as_long_as_what_they_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    serve_models(monkeypatch, **{name: number for number, name in enumerate("abcdef")})
    engine = Engine("cpu", model_bytes=1)
    for name in "abcdef":
        engine.explain(make_picture(), name_model(name))
    with pytest.raises(ModelError):
        engine.load(name_model("bad"))
    gc.collect()
    assert len(engine._machine.shelf._locks) == 1
    assert len(engine._machine.shelf._loading) == 0


def test_what_does_not_fit_the_device_is_loaded_all_the_same_and_a_sentence_when_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever uses it has room made for it first: what was kept of pictures goes, and the other models."""
    model, other, engine = build_model("cnn", 1), build_model("cnn", 2), Engine("cpu")
    engine.explain(make_picture(), other)
    full = True

    def move(module: torch.nn.Module, _device: str) -> None:
        if full and module is model.module:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("explain.engine.shelf.move", move)
    loaded = engine.load(model)
    assert engine._machine.shelf.bytes_kept == count_weights(model) + count_weights(other)
    for ask in (engine.predict, engine.explain, engine.capture):
        with pytest.raises(DeviceError, match="too small for this"):
            ask(make_picture(), loaded)
    assert engine._machine.shelf.bytes_kept == count_weights(model) and engine.bytes_kept == 0
    full = False
    assert engine.predict(make_picture(), loaded)
