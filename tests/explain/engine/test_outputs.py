"""One logit, findings and values are explained as what they are: probabilities, answers, maps and methods."""

import math

import numpy as np
import pytest
import torch

from explain.engine.engine import Engine
from explain.engine.explanation import PictureExplanation
from explain.errors import TargetError
from explain.models.loaded import LoadedModel
from explain.models.request import build_file_request
from explain.networks.meaning import Outputs
from explain.pictures.geometry import prepare
from explain.pictures.picture import Picture
from tests.support.engine import make_picture
from tests.support.heads import RESNET, SIDE, VIT, build_head

FINDINGS = "mass\nnodule\nhernia"
SCORED = ("grad-cam", "layer-cam", "score-cam", "occlusion", "integrated-gradients", "rise", "ablation-cam")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine("cpu")


def open_head(
    engine: Engine, biases: list[float], outputs: Outputs | None, names: str, architecture: str = RESNET
) -> LoadedModel:
    data = build_head(biases, architecture)
    return engine.load(
        build_file_request(
            data,
            "mine.pt",
            architecture=architecture,
            outputs=outputs,
            label_file=names.encode(),
            input_size=SIDE,
        ),
        data,
    )


def sigmoid(number: float) -> float:
    return 1 / (1 + math.exp(-number))


def ask(engine: Engine, model: LoadedModel, *methods: str, **others: object) -> PictureExplanation:
    return engine.explain(make_picture(), model, methods, **others).pictures[0]  # type: ignore[arg-type]


def maps_of(entry: PictureExplanation) -> dict[str, np.ndarray]:
    return {heatmap.method: heatmap.values for heatmap in entry.maps}


@pytest.mark.parametrize("bias", [-6.0, 6.0])
@pytest.mark.parametrize("architecture", [RESNET, VIT])
def test_the_probabilities_of_one_logit_are_its_sigmoid(engine: Engine, bias: float, architecture: str) -> None:
    model = open_head(engine, [bias], "logit", "pneumonia", architecture)
    found = {p.label: p.probability for p in engine.predict(make_picture(), model)}
    assert found["pneumonia"] == pytest.approx(sigmoid(bias), rel=0.1)
    assert found["no pneumonia"] == pytest.approx(sigmoid(-bias), rel=0.1)
    likeliest = ask(engine, model, "grad-cam")
    assert likeliest.labels == (("pneumonia",) if bias > 0 else ("no pneumonia",))
    assert likeliest.outputs == "logit"


@pytest.mark.parametrize("bias", [-6.0, 6.0])
def test_one_number_that_nobody_declared_is_shown_as_it_is(engine: Engine, bias: float) -> None:
    (prediction,) = engine.predict(make_picture(), open_head(engine, [bias], None, "pneumonia"))
    assert prediction.probability is None
    assert prediction.score == pytest.approx(bias, abs=0.1)
    assert "%" not in prediction.describe(1)


@pytest.mark.parametrize("biases", [[4.0, 4.0, -4.0], [-3.0, -6.5, -6.5]])
def test_each_finding_has_a_probability_of_its_own(engine: Engine, biases: list[float]) -> None:
    model = open_head(engine, biases, "findings", FINDINGS)
    found = engine.predict(make_picture(), model)
    assert [p.probability for p in found] == sorted((p.probability for p in found), reverse=True)
    by_index = {p.index: p.probability for p in found}
    for index, bias in enumerate(biases):
        assert by_index[index] == pytest.approx(sigmoid(bias), rel=0.1)


@pytest.mark.parametrize("method", SCORED)
def test_the_other_answer_of_one_logit_is_explained_by_minus_the_logit(engine: Engine, method: str) -> None:
    model = open_head(engine, [-6.0], "logit", "pneumonia")
    value = open_head(engine, [-6.0], "value", "pneumonia")
    yes, no = (maps_of(ask(engine, model, method, target=name)) for name in ("pneumonia", "no pneumonia"))
    assert np.array_equal(yes[method], maps_of(ask(engine, value, method))[method])
    if method in ("grad-cam", "occlusion", "integrated-gradients"):
        np.testing.assert_allclose(no[method], -yes[method], rtol=1e-4, atol=1e-7)
    else:
        assert not np.array_equal(no[method], yes[method])


def differentiate(model: LoadedModel, picture: Picture, choose: object) -> np.ndarray:
    """Grad-CAM by hand at the default layer, of what `choose` makes of the network's numbers."""
    layer, kept = model.default_layer, []
    assert layer is not None
    hook = model.module.get_submodule(layer.name).register_forward_hook(lambda _m, _i, output: kept.append(output))
    try:
        numbers = model.module(prepare(picture, model.preprocessing).tensor.requires_grad_(True))
    finally:
        hook.remove()
    (gradient,) = torch.autograd.grad(choose(numbers[0]), kept)  # type: ignore[operator]
    return (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1)[0].detach().numpy()


@pytest.mark.parametrize(
    ("outputs", "target", "choose"),
    [
        ("findings", 1, lambda numbers: numbers[1].sigmoid()),
        ("classes", 1, lambda numbers: numbers.softmax(0)[1]),
        ("logit", 1, lambda numbers: numbers[0].sigmoid()),
        ("logit", 0, lambda numbers: 1 - numbers[0].sigmoid()),
    ],
)
def test_a_probability_is_differentiated_as_what_it_is(
    engine: Engine, outputs: Outputs, target: int, choose: object
) -> None:
    biases, names = ([-1.0], "mass") if outputs == "logit" else ([2.0, -1.0, 1.0], FINDINGS)
    model, picture = open_head(engine, biases, outputs, names), make_picture()
    found = maps_of(ask(engine, model, "grad-cam", target=target, score="probability"))["grad-cam"]
    expected = differentiate(model, picture, choose)
    assert np.abs(found).max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("outputs", ["findings", "logit"])
@pytest.mark.parametrize("method", SCORED)
def test_no_map_of_a_probability_is_empty(engine: Engine, outputs: Outputs, method: str) -> None:
    biases, names = ([-1.0], "mass") if outputs == "logit" else ([2.0, -1.0, 1.0], FINDINGS)
    model = open_head(engine, biases, outputs, names)
    entry = ask(engine, model, method, target="mass", score="probability")
    assert np.abs(maps_of(entry)[method]).max() > 0


def test_attention_knows_the_other_answer_too(engine: Engine) -> None:
    model = open_head(engine, [0.5], "logit", "pneumonia", VIT)
    for score in ("logit", "probability"):
        yes, no = (
            maps_of(ask(engine, model, "chefer-relevance", "legrad", target=target, score=score)) for target in (1, 0)
        )
        assert not np.array_equal(yes["chefer-relevance"], no["chefer-relevance"])
        assert not np.array_equal(yes["legrad"], no["legrad"])


def test_cam_of_the_other_answer_has_the_weights_with_another_sign(engine: Engine) -> None:
    model = open_head(engine, [0.5], "logit", "pneumonia")
    yes, no = (maps_of(ask(engine, model, "cam", layer="layer4", target=target)) for target in (1, 0))
    assert np.array_equal(yes["cam"], -no["cam"])


@pytest.mark.parametrize("outputs", [None, "value"])
def test_the_probability_of_a_value_is_refused(engine: Engine, outputs: Outputs | None) -> None:
    model = open_head(engine, [63.0], outputs, "age")
    before = engine.passes
    with pytest.raises(TargetError, match="no probability to explain"):
        ask(engine, model, "grad-cam", score="probability")
    with pytest.raises(TargetError, match="no probability to explain"):
        engine.capture(make_picture(), model, score="probability")
    assert engine.passes == before


def test_the_same_weights_are_remembered_apart_under_each_meaning(engine: Engine) -> None:
    maps = {}
    for outputs in ("findings", "classes", "findings", "value"):
        model = open_head(engine, [2.0, -1.0, 1.0], outputs, FINDINGS)  # type: ignore[arg-type]
        entry = ask(engine, model, "grad-cam", target=1, score="logit" if outputs == "value" else "probability")
        maps[outputs] = maps_of(entry)["grad-cam"]
        assert entry.outputs == outputs
    assert not np.array_equal(maps["findings"], maps["classes"])


@pytest.mark.parametrize(
    ("outputs", "method", "settings", "words"),
    [
        ("findings", "finer-cam", {"weighting": "probability"}, "Weigh them equally"),
        ("value", "finer-cam", {}, "values are no classes"),
        ("findings", "shapley-cam", {"utility": "residual softmax"}, "Explain the score"),
        ("logit", "shapley-cam", {"utility": "residual softmax"}, "Explain the score"),
    ],
)
def test_a_method_that_would_take_a_false_softmax_says_so(
    engine: Engine, outputs: Outputs, method: str, settings: dict[str, str], words: str
) -> None:
    biases, names = ([-1.0], "mass") if outputs == "logit" else ([2.0, -1.0, 1.0], FINDINGS)
    model = open_head(engine, biases, outputs, names)
    entry = ask(engine, model, method, "grad-cam", settings={method: settings})
    assert words in entry.unavailable[method]
    assert [heatmap.method for heatmap in entry.maps] == ["grad-cam"]


def test_methods_that_ask_of_other_classes_say_where_there_is_none(engine: Engine) -> None:
    value = ask(engine, open_head(engine, [-1.0], None, "mass"), "finer-cam", "grad-cam")
    assert any("no other class" in warning for warning in value.maps[0].warnings)
    assert np.array_equal(maps_of(value)["finer-cam"], maps_of(value)["grad-cam"])
    logit = ask(engine, open_head(engine, [-1.0], "logit", "mass"), "finer-cam", "counterfactual-grad-cam")
    assert any("the same number" in warning for warning in logit.maps[0].warnings)
    other = ask(engine, open_head(engine, [-1.0], "logit", "mass"), "grad-cam", target="mass")
    np.testing.assert_allclose(maps_of(logit)["counterfactual-grad-cam"], other.maps[0].values, rtol=1e-6)


def test_several_pictures_at_once_are_each_taken_for_its_own_likelier_answer() -> None:
    """As on a GPU, where pictures share a pass."""
    engine = Engine("cpu", batch=2)
    model = open_head(engine, [0.0], "logit", "mass")
    pictures = [make_picture(seed, f"{seed}.png") for seed in range(4)]
    for entry in engine.explain(pictures, model, ["grad-cam"]).pictures:
        best = entry.predictions[0]
        assert best.probability is not None and best.probability >= 0.5
        assert entry.targets == (best.index,)
