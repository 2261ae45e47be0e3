"""Changing channels with an engine: against whole passes through hooks, counted, kept, and stopped."""

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from explain.engine.engine import Engine
from explain.errors import Cancelled, LayerError
from explain.faithfulness.channels import BEATEN, ENDS, RANDOM_PATHS, Channels, draw_pairs
from explain.models.loaded import LoadedModel
from explain.networks.layer import Layer
from explain.passes.count import Passes
from explain.pictures.geometry import prepare
from explain.pictures.picture import Picture
from tests.support.engine import build_model, make_picture, spend

EARLY, LATE = "layer2", "layer4"
TARGET = 2
OTHERS = [make_picture(seed) for seed in (5, 6)]
TWIN = make_picture(7)


@pytest.fixture(scope="module", params=["cnn", "vit without prompts"])
def model(request: pytest.FixtureRequest) -> LoadedModel:
    """One whose answers differ widely, so that what channels do is far more than rounding."""
    model = build_model(request.param)
    model.module.get_classifier().weight.mul_(1 if request.param == "cnn" else 40)
    return model


@pytest.fixture(scope="module")
def cnn() -> LoadedModel:
    return build_model("cnn")


@pytest.fixture(scope="module")
def picture() -> Picture:
    return make_picture()


def find(model: LoadedModel, name: str) -> Layer:
    return next(layer for layer in model.layers if layer.name == name)


def answer(model: LoadedModel, picture: Picture, layer: Layer, change: Callable[[Tensor], None]) -> np.ndarray:
    """The answers of one whole pass, in which the layer's map `(C, h, w)` is changed in place."""

    def hook(_module: object, _inputs: object, output: Tensor) -> Tensor:
        output = output.clone()
        change(layer.to_map(output)[0])
        return output

    handle = model.module.get_submodule(layer.name).register_forward_hook(hook)
    with torch.no_grad():
        answers = model.module(prepare(picture, model.preprocessing).tensor)[0]
    handle.remove()
    return answers.double().numpy()


def read_maps(model: LoadedModel, picture: Picture, layer: Layer) -> Tensor:
    kept: list[Tensor] = []
    answer(model, picture, layer, lambda maps: kept.append(maps.clone()))
    return kept[0]


def test_it_equals_whole_passes_with_channels_changed_by_hooks(model: LoadedModel, picture: Picture) -> None:
    layer = model.layers[1]
    engine = Engine("cpu")
    found = engine.measure_channels(picture, model, layer.name, TARGET, OTHERS, TWIN)
    maps = read_maps(model, picture, layer)
    total = torch.stack([read_maps(model, one, layer) for one in (picture, *OTHERS)])
    instead = {
        "mean": total.mean((0, 2, 3))[:, None, None].expand(maps.shape),
        "zero": torch.zeros_like(maps),
        "twin": read_maps(model, TWIN, layer),
    }
    whole = answer(model, picture, layer, lambda maps: None)
    assert found.pictures == 3 and found.whole.score == pytest.approx(whole[TARGET], abs=1e-4)
    assert [*found.replaced] == ["mean", "zero", "twin"] and found.activations == pytest.approx(maps.mean((1, 2)))

    def set_to(values: Tensor, kept: int | None, changed: int | None) -> Callable[[Tensor], None]:
        def change(maps: Tensor) -> None:
            own = maps.clone()
            if changed is not None:
                maps[changed] = values[changed]
            else:
                maps[:] = values
                if kept is not None:
                    maps[kept] = own[kept]

        return change

    def chance(answers: np.ndarray) -> float:
        return float(np.exp(answers[TARGET]) / np.exp(answers).sum())

    for way, values in instead.items():
        of = found.replaced[way]
        nothing = answer(model, picture, layer, set_to(values, None, None))
        assert of.probability is not None and of.score.together == pytest.approx(
            whole[TARGET] - nothing[TARGET], abs=1e-4
        )
        for channel in range(layer.channels):
            gone = answer(model, picture, layer, set_to(values, None, channel))
            only = answer(model, picture, layer, set_to(values, channel, None))
            assert of.score.removal[channel] == pytest.approx(whole[TARGET] - gone[TARGET], abs=1e-4)
            assert of.score.alone[channel] == pytest.approx(only[TARGET] - nothing[TARGET], abs=1e-4)
            assert of.probability.removal[channel] == pytest.approx(chance(whole) - chance(gone), abs=1e-4)
            flipped = model.labels[int(gone.argmax())] if gone.argmax() != whole.argmax() else None
            assert of.flips.get(channel) == flipped
        assert np.abs(of.score.removal).max() > 0.05


def test_what_grad_cam_claims_is_its_weight_times_what_is_taken(cnn: LoadedModel, picture: Picture) -> None:
    engine = Engine("cpu")
    found = engine.measure_channels(picture, cnn, LATE, TARGET, OTHERS)
    (grad_cam,) = engine.explain(picture, cnn, "grad-cam", LATE, TARGET).pictures[0].maps
    assert found.replaced["zero"].claims.sum() == pytest.approx(float(grad_cam.values.sum()), rel=1e-4)
    # After the last layer comes an average and a linear head: there the weights say what channels do.
    for one in found.replaced.values():
        assert one.claims == pytest.approx(one.score.removal, abs=1e-4) and one.agreement > 0.95
    assert "0.9" in found.sentence or "1.00" in found.sentence


def test_passes_are_counted_and_never_run_twice(cnn: LoadedModel, picture: Picture) -> None:
    engine, told = Engine("cpu"), list[float]()
    channels = find(cnn, LATE).channels
    first = list[Channels]()

    def work() -> None:
        first.append(
            engine.measure_channels(
                picture, cnn, LATE, TARGET, OTHERS, TWIN, progress=lambda share, _: told.append(share)
            )
        )

    spent = spend(engine, work)
    # Three of what channels are set to, each removed and kept alone, and once as it was; looks at four pictures, and
    # six tails, the first of which is tried out.
    assert spent.backward == 2 and 0 <= spent.forward - (6 * (channels + 1) + 4 + 6) <= 6
    assert told == sorted(told) and told[-1] == pytest.approx(1)
    assert spend(engine, lambda: engine.measure_channels(picture, cnn, LATE, TARGET, OTHERS, TWIN)) == Passes()
    # Of another class only its gradient is new.
    spent = spend(engine, lambda: engine.measure_channels(picture, cnn, LATE, 3, OTHERS))
    assert spent == Passes(1, 1)


def test_it_can_be_stopped_and_keeps_what_was_finished(cnn: LoadedModel, picture: Picture) -> None:
    engine, cancel = Engine("cpu"), threading.Event()

    def stop(share: float, _: str) -> None:
        if share > 0.2:
            cancel.set()

    with pytest.raises(Cancelled):
        engine.measure_channels(picture, cnn, LATE, TARGET, OTHERS, progress=stop, cancel=cancel)
    spent = spend(engine, lambda: engine.measure_channels(picture, cnn, LATE, TARGET, OTHERS))
    assert 0 < spent.forward <= 3 * (find(cnn, LATE).channels + 1) + 3


def test_examples_stand_beside_a_picture_that_is_alone(
    cnn: LoadedModel, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Engine("cpu").measure_channels(picture, cnn, LATE)
    assert found.pictures == 16 and "examples" in found.notes[0]
    monkeypatch.setattr("explain.engine.channels.describe_unlikeness", lambda _: "it is a scan")
    alone = Engine("cpu").measure_channels(picture, cnn, LATE)
    assert alone.pictures == 1 and "alone" in alone.notes[0]
    # The average after the layer evens out what is taken, so that nothing happens.
    assert np.abs(alone.replaced["mean"].score.removal).max() < 1e-4
    assert alone.usual == "zero" and found.usual == "mean"


def test_the_strongest_of_a_scan_alone_are_those_that_do_most_at_zero(
    cnn: LoadedModel, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explain.engine.channels.describe_unlikeness", lambda _: "it is a scan")
    engine = Engine("cpu")
    paths = engine.measure_paths(picture, cnn, (EARLY, LATE), TARGET)
    ends = [engine.measure_channels(picture, cnn, at, TARGET).rank("zero")[:ENDS] for at in (EARLY, LATE)]
    assert paths.sources.tolist() == ends[0].tolist() and paths.sinks.tolist() == ends[1].tolist()


def test_a_value_has_no_probability(picture: Picture) -> None:
    value = replace(build_model("cnn", labels=("age",)), outputs="value")
    found = Engine("cpu").measure_channels(picture, value, LATE, beside=OTHERS)
    assert found.whole.probability is None and found.replaced["zero"].probability is None
    assert "probability" not in found.sentence and not found.replaced["zero"].flips


def test_paths_equal_two_whole_passes_each(cnn: LoadedModel, picture: Picture) -> None:
    engine = Engine("cpu")
    earlier, later = find(cnn, EARLY), find(cnn, LATE)
    found = engine.measure_paths(picture, cnn, (EARLY, LATE), TARGET, OTHERS)
    total = torch.stack([read_maps(cnn, one, earlier) for one in (picture, *OTHERS)])
    mean = total.mean((0, 2, 3))
    whole = answer(cnn, picture, later, lambda maps: None)[TARGET]

    def follow(source: int, sink: int) -> float:
        kept: list[Tensor] = []
        handle = cnn.module.get_submodule(LATE).register_forward_hook(lambda _m, _i, out: kept.append(out[0].clone()))
        answer(cnn, picture, earlier, lambda maps: maps[source].fill_(mean[source]))
        handle.remove()
        return whole - answer(cnn, picture, later, lambda maps: maps[sink].copy_(kept[0][sink]))[TARGET]

    for at, layer in ((found.sources, EARLY), (found.sinks, LATE)):
        strongest = engine.measure_channels(picture, cnn, layer, TARGET, OTHERS).rank()[:ENDS]
        assert at.tolist() == strongest.tolist()
    for row, source in enumerate(found.sources[:3]):
        for column, sink in enumerate(found.sinks):
            assert found.effects[row, column] == pytest.approx(follow(int(source), int(sink)), abs=1e-4)
    pairs = draw_pairs((earlier.channels, later.channels), int(picture.digest[:8], 16))
    assert len(found.random) == RANDOM_PATHS
    for number in range(0, RANDOM_PATHS, 16):
        assert found.random[number] == pytest.approx(follow(*map(int, pairs[number])), abs=1e-4)
    assert found.threshold == pytest.approx(np.percentile(np.abs(found.random), BEATEN))
    assert (found.drawn == (np.abs(found.effects) > found.threshold)).all()
    assert spend(engine, lambda: engine.measure_paths(picture, cnn, (EARLY, LATE), TARGET, OTHERS)) == Passes()


def test_paths_take_a_pass_each_and_run_the_earlier_layer_once_a_channel(cnn: LoadedModel, picture: Picture) -> None:
    engine = Engine("cpu")
    channels = [find(cnn, name).channels for name in (EARLY, LATE)]
    pairs = draw_pairs((channels[0], channels[1]), int(picture.digest[:8], 16))
    spent = spend(engine, lambda: engine.measure_paths(picture, cnn, (EARLY, LATE), TARGET, OTHERS))
    most = sum(channels) + 2 + min(channels[0], ENDS + len({*pairs[:, 0].tolist()})) + ENDS**2 + RANDOM_PATHS + 1
    assert most - ENDS <= spent.forward - 6 <= most + 16  # looks at both layers, and tails that are recorded


def test_what_cannot_be_asked_is_said(cnn: LoadedModel, picture: Picture) -> None:
    engine = Engine("cpu")
    with pytest.raises(LayerError, match="does not come before"):
        engine.measure_paths(picture, cnn, (LATE, EARLY))
    with pytest.raises(LayerError, match="nowhere"):
        engine.measure_channels(picture, cnn, "nowhere")
