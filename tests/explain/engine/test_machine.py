"""Where models run: in batches that fit, in the precision asked for, and past a lack of memory."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from explain.engine.engine import Engine
from explain.engine.explanation import Explanation
from explain.errors import DeviceError
from explain.methods import Method, MethodResult, Settings, get_method
from explain.methods.score_cam import ScoreCamSettings
from explain.models.loaded import LoadedModel
from explain.networks.device import Precision
from explain.passes.capture import LayerCapture
from explain.passes.count import Passes
from explain.passes.look import Look, look_at
from tests.support.engine import NONE, build_model, count_weights, make_method, make_picture, spend, values_of


def watch_looks(monkeypatch: pytest.MonkeyPatch, most: int = 1000) -> list[int]:
    """How many pictures each look is given, as it happens; more than `most` do not fit the memory."""
    sizes: list[int] = []

    def look(module: nn.Module, pictures: torch.Tensor, *rest: object) -> tuple[Look, ...]:
        sizes.append(len(pictures))
        if len(pictures) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return look_at(module, pictures, *rest)

    monkeypatch.setattr("explain.engine.observer.look_at", look)
    return sizes


def agree(found: Explanation, expected: Explanation) -> bool:
    """Whether all maps are the same but for the last digits."""
    pairs = [
        (one, other)
        for entry, wanted in zip(found.pictures, expected.pictures, strict=True)
        for one, other in zip(entry.maps, wanted.maps, strict=True)
    ]
    return all(np.allclose(a.values, b.values, atol=1e-4 * np.abs(b.values).max()) for a, b in pairs)


def test_on_the_cpu_pictures_go_one_by_one_unless_told_otherwise(
    cnn: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [make_picture(seed) for seed in (0, 1, 2, 1, 3, 4)]
    sizes = watch_looks(monkeypatch)
    expected = Engine("cpu").explain(pictures, cnn, ["grad-cam", "eigen-cam"])
    assert sizes == [1, 1, 1, 1, 1]
    sizes.clear()
    engine = Engine("cpu", batch=5)
    engine.predict(pictures[2], cnn)
    found = engine.explain(pictures, cnn, ["grad-cam", "eigen-cam"])
    # The first five hold one that is known by its scores and one twice; the sixth is alone.
    assert sizes == [1, 3, 1, 1]
    assert agree(found, expected)
    for entry, number in zip(found.pictures, (1, 1, 1, 0, 1, 1), strict=True):
        assert {heatmap.passes for heatmap in entry.maps} == {Passes(number, number)}
    assert engine.passes == Passes(6, 5)
    assert spend(engine, lambda: engine.explain(pictures, cnn, ["grad-cam", "eigen-cam"])) == NONE


def test_a_batch_that_does_not_fit_what_is_kept_comes_out_the_same(cnn: LoadedModel) -> None:
    pictures = [make_picture(seed) for seed in range(4)]
    tight = Engine("cpu", capture_bytes=1, batch=4)
    assert agree(tight.explain(pictures, cnn), Engine("cpu").explain(pictures, cnn))


def test_what_does_not_fit_the_memory_goes_in_smaller_chunks(cnn: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [make_picture(seed) for seed in range(6)]
    expected = Engine("cpu").explain(pictures, cnn)
    sizes = watch_looks(monkeypatch, most=2)
    engine = Engine("cpu", batch=5)
    assert agree(engine.explain(pictures, cnn), expected)
    assert sizes == [5, 2, 3, 1, 2, 1]
    assert engine.passes == Passes(6, 6)


def test_out_of_memory_once_drops_what_was_kept_and_goes_on(
    cnn: LoadedModel, vit: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine("cpu")
    engine.explain([make_picture(seed) for seed in range(3)], vit)
    kept = engine.bytes_kept
    expected = values_of(Engine("cpu").explain(make_picture(), cnn))
    fails = iter([True])

    def look(*args: object) -> tuple[Look, ...]:
        if next(fails, False):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return look_at(*args)

    monkeypatch.setattr("explain.engine.observer.look_at", look)
    assert values_of(engine.explain(make_picture(), cnn)) == expected
    assert engine.bytes_kept < kept
    assert engine._machine.shelf.bytes_kept == count_weights(cnn)
    assert spend(engine, lambda: engine.explain(make_picture(), cnn)) == NONE


@pytest.mark.parametrize("text", ["CUDA out of memory.", "MPS backend out of memory (MPS allocated: 5 GB)"])
def test_out_of_memory_for_good_is_a_sentence_and_the_engine_lives_on(
    text: str, cnn: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine("cpu")
    before = values_of(engine.explain(make_picture(), cnn))
    tries = []

    def fail(*_: object) -> None:
        tries.append(1)
        raise RuntimeError(text)

    with monkeypatch.context() as patch:
        patch.setattr("explain.engine.observer.look_at", fail)
        for call in (engine.explain, engine.predict, engine.capture):
            with pytest.raises(DeviceError, match="memory of CPU is too small"):
                call(make_picture(7), cnn)
    assert len(tries) == 6
    with ThreadPoolExecutor(1) as pool:  # no lock was left behind
        assert values_of(pool.submit(engine.explain, make_picture(), cnn).result(20)) == before
    assert len(engine.explain(make_picture(7), cnn).pictures[0].maps) == 3


def test_a_method_that_runs_out_of_memory_once_goes_on(
    engine: Engine, cnn: LoadedModel, register: Callable[[Method], Method]
) -> None:
    fails = iter([True])

    def run(_capture: LayerCapture, _settings: Settings) -> MethodResult:
        if next(fails, False):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return MethodResult(torch.ones(2, 2))

    register(make_method("hungry", run))
    assert len(engine.explain(make_picture(), cnn, ["hungry"]).pictures[0].maps) == 1


def test_another_fault_is_not_mistaken_for_it(
    engine: Engine, cnn: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("explain.engine.observer.look_at", fail)
    with pytest.raises(RuntimeError, match="mat1"):
        engine.explain(make_picture(), cnn)


@pytest.mark.parametrize("kind", ["cnn", "vit", "convnext"])
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_near_and_what_is_kept_is_full(kind: str, precision: Precision) -> None:
    model = build_model(kind)
    exact, half = Engine("cpu"), Engine("cpu", precision=precision)
    wanted, found = (engine.capture(make_picture(), model, target=1) for engine in (exact, half))
    tolerance = 0.05 if precision == "bfloat16" else 0.01
    for name in ("logits", "activations", "gradients"):
        one, other = getattr(found, name), getattr(wanted, name)
        assert one.dtype == torch.float32
        assert 0 < (one - other).norm() / other.norm() < tolerance, name
    (one,), (other,) = (e.explain(make_picture(), model, ["grad-cam"], target=1).pictures for e in (half, exact))
    assert np.corrcoef(one.maps[0].values.ravel(), other.maps[0].values.ravel())[0, 1] > 0.98
    assert (exact.description, half.description) == ("CPU", f"CPU, {precision}")
    assert half.explain(make_picture(), model).device == f"CPU, {precision}"
    assert next(model.module.parameters()).dtype == torch.float32


def test_methods_that_run_the_network_run_it_in_half_precision_too(
    cnn: LoadedModel, register: Callable[[Method], Method]
) -> None:
    def run(capture: LayerCapture, _settings: Settings) -> MethodResult:
        scores = capture.runner.scores(lambda rows: capture.runner.picture.repeat(len(rows), 1, 1, 1), 4)
        product = torch.ones(64, 64).mul(1 / 3) @ torch.ones(64, 1)  # the method itself calculates in full
        assert product.dtype == torch.float32
        return MethodResult(scores.reshape(2, 2))

    register(make_method("slow", run, "activations", "runner"))
    exact, half = (Engine("cpu", precision=p).explain(make_picture(), cnn, ["slow"]) for p in ("float32", "bfloat16"))
    one, other = exact.pictures[0].maps[0].values, half.pictures[0].maps[0].values
    assert 0 < np.abs(one - other).max() < 0.05 * np.abs(one).max()


def test_half_precision_is_estimated_by_what_the_machine_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    cnn, slow = build_model("cnn"), get_method("score-cam")
    precisions = ScoreCamSettings(), ScoreCamSettings(precision="half")
    for speed in (2.0, 0.125):
        monkeypatch.setattr("explain.engine.observer.measure_half", lambda _device, speed=speed: speed)
        engine = Engine()
        engine.predict(make_picture(), cnn)
        full, half = (engine.estimate_seconds(cnn, slow, settings=chosen) for chosen in precisions)
        assert full is not None and half == pytest.approx(full / speed)
