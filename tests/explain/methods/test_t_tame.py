"""T-TAME as a method: the map of the class by a network trained beside, in the pass that all methods share."""

from pathlib import Path

import numpy as np
import pytest
import torch

from explain.engine.engine import Engine
from explain.methods import get_method
from explain.models.attention_library import LIBRARY, AttentionCard, load_attention, save_attention
from explain.models.loaded import LoadedModel
from explain.networks.trained_attention import TrainedAttention
from explain.pictures.decode import decode
from explain.pictures.geometry import prepare
from tests.support.attention import REPORT, build_classifier, make_card, make_pictures

(EXAMPLE,) = make_pictures(1, 0).examples
PICTURE = decode(EXAMPLE.data, "picture")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def classifier() -> LoadedModel:
    return build_classifier()


def keep(name: str, classifier: LoadedModel, seed: int, area: float = 0.4) -> AttentionCard:
    torch.manual_seed(seed)
    card = make_card(classifier).model_copy(update={"report": REPORT.model_copy(update={"area": area})})
    return save_attention(name, TrainedAttention(card.channels, 3, card.grid).state_dict(), card)


def attend(card: AttentionCard, classifier: LoadedModel) -> np.ndarray:
    """The maps of all classes, by plain hooks."""
    seen: dict[str, torch.Tensor] = {}
    for name in card.layers:
        classifier.module.get_submodule(name).register_forward_hook(
            lambda _, __, output, name=name: seen.update({name: output.clone()})
        )
    classifier.module(prepare(PICTURE, classifier.preprocessing).tensor)
    for name in card.layers:
        classifier.module.get_submodule(name)._forward_hooks.clear()
    maps: np.ndarray = load_attention(card.name, card.digest)([seen[name] for name in card.layers])[0].numpy()
    return maps


def test_all_classes_in_the_one_pass_that_all_share(classifier: LoadedModel) -> None:
    card = keep("mine", classifier, 0)
    engine = Engine(device="cpu")
    explanation = engine.explain(PICTURE, classifier, methods="t-tame,grad-cam", target=[0, 1, 2], layer="second")
    assert (engine.passes.forward, engine.passes.backward) == (1, 3)  # backward for Grad-CAM alone
    maps = [one for one in explanation.pictures[0].maps if one.method == "t-tame"]
    expected = attend(card, classifier)
    assert [one.target for one in maps] == [0, 1, 2] and {one.layer for one in maps} == {"trained layers"}
    for one in maps:
        assert np.allclose(one.values, expected[one.target] - expected[one.target].min(), atol=1e-5)
        assert (
            one.details["module"] == "mine" == one.settings.model_dump()["module"]
        )  # named, for whoever draws it again
    alone = Engine(device="cpu")
    alone.explain(PICTURE, classifier, methods="t-tame", target=[0, 1, 2])
    assert (alone.passes.forward, alone.passes.backward) == (1, 0)


def test_the_gradient_begins_no_earlier_for_it(classifier: LoadedModel) -> None:
    keep("mine", classifier, 0)
    with_it = Engine(device="cpu").explain(PICTURE, classifier, methods="grad-cam,t-tame", layer="second")
    without = Engine(device="cpu").explain(PICTURE, classifier, methods="grad-cam", layer="second")
    assert np.array_equal(with_it.pictures[0].maps[0].values, without.pictures[0].maps[0].values)


def test_a_map_by_a_module_trained_anew_is_another(classifier: LoadedModel) -> None:
    engine = Engine(device="cpu")
    keep("mine", classifier, 0)
    (first,) = engine.explain(PICTURE, classifier, methods="t-tame", target=0).pictures[0].maps
    LIBRARY.delete("mine")
    keep("mine", classifier, 1)
    (second,) = engine.explain(PICTURE, classifier, methods="t-tame", target=0).pictures[0].maps
    assert not np.allclose(first.values, second.values)


def test_what_its_report_warns_of_is_said_with_every_map(classifier: LoadedModel) -> None:
    keep("mine", classifier, 0, area=0.9)
    (heatmap,) = Engine(device="cpu").explain(PICTURE, classifier, methods="t-tame").pictures[0].maps
    assert any("All open" in warning for warning in heatmap.warnings)


def test_without_one_for_the_model_it_is_a_sentence(classifier: LoadedModel) -> None:
    engine = Engine(device="cpu")
    answer = engine.explain(PICTURE, classifier, methods="grad-cam,t-tame").pictures[0]
    assert "there is none for “tiny”" in answer.unavailable["t-tame"] and len(answer.maps) == 1
    keep("mine", classifier, 0)
    other = build_classifier(1)
    answer = engine.explain(
        PICTURE, other, methods="grad-cam,t-tame", settings={"t-tame": {"module": "mine"}}
    ).pictures[0]
    assert "T-TAME" in get_method("t-tame").title and "none for “tiny”" in answer.unavailable["t-tame"]
