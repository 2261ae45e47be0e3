"""On a GPU: the maps are the CPU's, the same bits each time, and a lack of memory is a sentence.

Skipped where there is none. They passed on an H200 with torch 2.11.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from explain.engine.engine import Engine
from explain.engine.explanation import PictureExplanation
from explain.errors import DeviceError
from explain.methods import all_methods
from explain.methods.cf_cam.clustering import cluster_channels, measure_distances
from explain.methods.cf_cam.settings import CfCamSettings
from explain.models.loaded import LoadedModel
from explain.networks.device import Precision, move
from explain.passes.capture import Derived
from explain.training.attention_loop import train_attention
from explain.training.loop import train_prompts
from explain.volumes.from_array import build_volume
from tests.support.attention import RECIPE, build_classifier, make_pictures
from tests.support.engine import build_model, make_picture
from tests.support.training import SMALL, build_backbone, make_set
from tests.support.volume_network import load_network

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="Needs a GPU that torch can use.")

NAMES = [name for name in all_methods() if name != "t-tame"]  # nobody trained attention for these models
QUICK = {"rise": {"masks": 40}, "integrated-gradients": {"steps": 8}}
TOLERANCE = 1e-4
"""Of a map's range. Sums in another order, in float32."""
STEEP = {"integrated-gradients": 0.02, "ablation-cam": 0.002}
"""What flips with the sign of a number near nought, and differences of scores that are nearly equal."""


def explain(engine: Engine, model: LoadedModel) -> PictureExplanation:
    """All maps of one picture, by all methods, with nothing kept from before."""
    engine.forget()
    return engine.explain(make_picture(), model, NAMES, target=1, settings=QUICK).pictures[0]


@contextmanager
def little_memory(mib: int) -> Iterator[None]:
    """While entered, torch has so much on the device beside what it has now."""
    gc.collect()
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + mib * 2**20) / whole)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.parametrize("kind", ["cnn", "vit"])
def test_maps_are_those_of_the_cpu_and_the_same_bits_each_time(kind: str) -> None:
    expected = explain(Engine("cpu"), build_model(kind))
    engine, model = Engine("cuda"), build_model(kind)
    found, again = explain(engine, model), explain(engine, model)
    assert set(found.unavailable) == set(expected.unavailable) and len(found.maps) == len(expected.maps) > 15
    for one, other, wanted in zip(found.maps, again.maps, expected.maps, strict=True):
        assert one.passes == wanted.passes, one.method
        assert one.values.tobytes() == other.values.tobytes(), one.method
        difference = np.abs(one.values - wanted.values).max() / np.ptp(wanted.values)
        assert difference < STEEP.get(one.method, TOLERANCE), one.method


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("dominant", [75.0, 95.0])
def test_channels_fall_into_the_same_groups(distance: str, dominant: float) -> None:
    capture = Engine("cpu").capture(make_picture(), build_model("cnn"), target=1, method="cf-cam")
    assert capture.gradients is not None
    there = replace(
        capture, activations=capture.activations.cuda(), gradients=capture.gradients.cuda(), derived=Derived()
    )
    settings = CfCamSettings(distance=distance, dominant=dominant, eps=10.0)  # type: ignore[arg-type]
    one, other = cluster_channels(there, settings), cluster_channels(capture, settings)
    assert one.labels.tolist() == other.labels.tolist() and one.min_samples == other.min_samples
    assert one.eps == pytest.approx(other.eps, rel=1e-6)
    assert np.allclose(measure_distances(there, distance), measure_distances(capture, distance), rtol=1e-6)


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["cnn", "vit"])
def test_half_precision_draws_all_the_same_methods(kind: str, precision: Precision) -> None:
    model = build_model(kind)
    half, full = explain(Engine("cuda", precision=precision), model), explain(Engine("cuda"), model)
    assert [one.method for one in half.maps] == [one.method for one in full.maps]
    assert half.unavailable == full.unavailable


def test_volumes_are_explained_as_on_the_cpu() -> None:
    values = np.random.default_rng(0).integers(0, 4000, (8, 16, 16)).astype(np.int16)
    affine = np.eye(4)
    affine[:3, :3] = np.diag((5.0, 0.5, 0.5))[::-1]
    volume = build_volume(values, affine)
    answers = [engine.explain_volume(volume, load_network(engine), target=1) for engine in map(Engine, ("cuda", "cpu"))]
    for one, other in zip(*(answer.maps for answer in answers), strict=True):
        wanted = other.heatmap.values
        assert np.allclose(one.heatmap.values, wanted, atol=TOLERANCE * np.abs(wanted).max())


def test_effects_channels_verdicts_and_measures_are_those_of_the_cpu() -> None:
    picture, beside = make_picture(), [make_picture(seed) for seed in (1, 2)]

    def ask(engine: Engine) -> list[float]:
        cnn, vit = build_model("cnn"), build_model("vit without prompts")
        effects = engine.measure_effects(picture, cnn, {"corner": (0, 0, 20, 20)}, target=1)
        channels = engine.measure_channels(picture, cnn, target=1, beside=beside)
        patches = engine.measure_patches(picture, vit, beside[0], target=1)
        measured = engine.measure(picture, cnn, ["grad-cam"], target=1, measures=["insertion"])
        *_, verdicts = engine.judge(picture, cnn, ["grad-cam", "eigen-cam"], target=1)
        assert all(verdict.settled and verdict.marks for verdict in verdicts.values()) and measured
        numbers = [effects.regions[0].score.removal, channels.replaced["mean"].score.removal, patches.falls]
        return np.concatenate([*map(np.ravel, numbers)]).tolist()

    assert ask(Engine("cuda")) == pytest.approx(ask(Engine("cpu")), rel=1e-3, abs=1e-4)


def test_a_drawing_rises_on_a_gpu_as_on_the_cpu() -> None:
    drawings = [
        Engine(device).draw(build_model("cnn"), "dog", settings={"steps": 16, "crops": 2}) for device in ("cuda", "cpu")
    ]
    assert drawings[0].curve == pytest.approx(drawings[1].curve, rel=0.01, abs=0.01)


def test_prompts_and_attention_are_trained_on_a_gpu() -> None:
    backbone, classifier = build_backbone(), build_classifier()
    for loaded in (backbone, classifier):
        move(loaded.module, "cuda")
    prompts = train_prompts(backbone, make_set(), SMALL)
    losses = [epoch.loss for epoch in prompts.report.epochs]
    assert losses[-1] < losses[0] and all(tensor.device.type == "cpu" for tensor in prompts.tensors.values())
    attention = train_attention(classifier, make_pictures(20, 3), RECIPE)
    assert attention.outcome.epochs[-1].loss < attention.outcome.epochs[0].loss
    assert all(tensor.device.type == "cpu" for tensor in attention.tensors.values())


def test_what_was_kept_of_pictures_leaves_the_device() -> None:
    engine, model = Engine("cuda"), build_model("cnn")
    engine.load(model)
    gc.collect()
    before = torch.cuda.memory_allocated()
    engine.explain([make_picture(seed) for seed in range(4)], model, ["grad-cam", "cf-cam"])
    assert torch.cuda.memory_allocated() > before
    engine.forget()
    gc.collect()
    assert torch.cuda.memory_allocated() <= before + 2**16


def test_a_model_that_does_not_fit_is_a_sentence_and_fits_once_there_is_room() -> None:
    hog = torch.zeros(1, device="cuda")
    with little_memory(0):
        engine = Engine("cuda")
        loaded = engine.load("photo-vit")  # of 11 MiB: it may wait until it is used
        for ask in (engine.predict, engine.explain, engine.measure_channels):
            with pytest.raises(DeviceError, match="is too small for this"):
                ask(make_picture(), loaded)
        assert {parameter.device.type for parameter in loaded.module.parameters()} == {"cpu"}
    assert engine.predict(make_picture(), loaded)
    del hog


def test_many_passes_that_do_not_fit_go_in_smaller_chunks() -> None:
    engine, model = Engine("cuda"), build_model("cnn")
    settings = {"rise": {"masks": 2000}}
    whole = engine.explain(make_picture(), model, "rise", target=1, settings=settings).pictures[0].maps[0]
    engine.forget()
    with little_memory(2):
        chunked = engine.explain(make_picture(), model, "rise", target=1, settings=settings).pictures[0].maps[0]
    assert chunked.passes == whole.passes
    assert np.allclose(chunked.values, whole.values, atol=TOLERANCE * np.abs(whole.values).max())
