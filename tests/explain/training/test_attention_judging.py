"""What trained maps are worth: the figures are those that are measured elsewhere, on the same pictures."""

import numpy as np
import pytest
import torch

from explain.engine.engine import Engine
from explain.faithfulness.probe import find_allowed
from explain.models.loaded import LoadedModel
from explain.networks.trained_attention import TrainedAttention
from explain.pictures.decode import decode
from explain.pictures.geometry import prepare
from explain.training.attention_fit import Frozen
from explain.training.attention_judging import judge_attention, measure_maps
from tests.support.attention import build_classifier, make_pictures

CPU = torch.device("cpu")
PICTURES = make_pictures(2, 1)
NAMES = ("average drop", "increase", "insertion", "deletion")


@pytest.fixture(scope="module")
def classifier() -> LoadedModel:
    return build_classifier()


def test_figures_are_those_of_the_engine(classifier: LoadedModel) -> None:
    example = PICTURES.examples[0]
    picture = decode(example.data, example.name)
    prepared = prepare(picture, classifier.preprocessing)
    engine = Engine(device="cpu")
    methods = ["grad-cam", "eigen-cam"]
    measured = engine.measure(picture, classifier, methods, measures=NAMES)
    explanation = engine.explain(picture, classifier, methods=methods)
    maps = {one.key: one.values for one in explanation.pictures[0].maps}
    (target,) = {one.target for one in explanation.pictures[0].maps}
    allowed = find_allowed(picture.size, prepared.box.spans)
    seed = int(picture.digest[:8], 16)
    frozen = Frozen(classifier, classifier.layers, CPU)
    found = measure_maps(frozen, prepared.tensor, maps, target, allowed, seed)
    assert found
    for row in measured.rows:
        if row.name in found:
            assert {name: row.figures[name] for name in NAMES} == pytest.approx(found[row.name], abs=1e-5)


def test_a_map_with_nothing_on_it_counts_too(classifier: LoadedModel) -> None:
    frozen = Frozen(classifier, classifier.layers, CPU)
    picture, allowed = torch.randn(1, 3, 16, 16), np.ones((8, 8), dtype=bool)
    chances = classifier.module(picture).softmax(1)[0]
    nothing = classifier.module(torch.zeros_like(picture)).softmax(1)[0]
    found = measure_maps(frozen, picture, {"blank": np.zeros((4, 4))}, 0, allowed, 1)["blank"]
    assert found["average drop"] == pytest.approx(100 * max(0.0, float(1 - nothing[0] / chances[0])), abs=1e-3)
    assert np.isfinite(found["deletion"])


def test_the_report_is_a_mean_over_pictures(classifier: LoadedModel) -> None:
    torch.manual_seed(0)
    layers = classifier.layers
    model = TrainedAttention([layer.channels for layer in layers], 3, layers[0].grid).eval()
    frozen = Frozen(classifier, layers, CPU)
    done: list[int] = []
    reports = [
        judge_attention(frozen, model, examples, "black", done.append, lambda: None)
        for examples in (PICTURES.examples[:1], PICTURES.examples[1:2], PICTURES.examples[:2])
    ]
    assert done == [1, 1, 1, 2]
    first, second, both = reports
    assert both.area == pytest.approx((first.area + second.area) / 2)
    assert both.same == (first.same + second.same) / 2
    for one, other, mean in zip(
        (first.own, *first.others), (second.own, *second.others), (both.own, *both.others), strict=True
    ):
        assert mean.deletion == pytest.approx((one.deletion + other.deletion) / 2)
        assert mean.average_drop == pytest.approx((one.average_drop + other.average_drop) / 2)
    with torch.no_grad():
        picture = prepare(decode(PICTURES.examples[0].data, ""), classifier.preprocessing).tensor
        features, _, labels = frozen.split(frozen.read(picture))
        maps = model(features)[0]
        worst = int(classifier.module(picture).argmin())
    assert first.area == pytest.approx(float(maps[labels[0]].sigmoid().mean()), abs=1e-6)
    pair = torch.stack([maps[labels[0]].flatten(), maps[worst].flatten()])
    assert first.own.likeness == pytest.approx(float(torch.corrcoef(pair)[0, 1]), abs=1e-5)
