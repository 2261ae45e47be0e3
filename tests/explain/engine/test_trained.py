"""T-TAME's maps of a picture that is unlike those the attention learnt from say so."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from explain.engine.engine import Engine
from explain.engine.trained import UNLIKE
from explain.errors import ModelError
from explain.methods.rise import RiseSettings
from explain.models.attention_library import AttentionCard, load_known, save_attention
from explain.models.loaded import LoadedModel
from explain.pictures.decode import decode
from explain.pictures.picture import Picture, build_picture
from explain.training.attention_loop import train_attention
from explain.training.attention_saving import describe_attention, save_trained_attention
from explain.training.outcome import TrainedMaps
from tests.support.attention import RECIPE, build_classifier, make_pictures

PICTURES = make_pictures(100, 1)
STRANGE = build_picture("strange", np.random.default_rng(0).integers(0, 2, (16, 16, 3), np.uint8) * 255, "strange", ())
SHORT = RECIPE.model_copy(update={"epochs": 1, "judged": 1, "batch": 32})


@pytest.fixture(scope="module")
def classifier() -> LoadedModel:
    return build_classifier()


@pytest.fixture(scope="module")
def trained(classifier: LoadedModel) -> TrainedMaps:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("explain.training.attention_judging._RISE", RiseSettings(masks=20))
        return train_attention(classifier, PICTURES, SHORT)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))


def warn(picture: Picture, classifier: LoadedModel) -> tuple[str, ...]:
    (heatmap,) = Engine(device="cpu").explain(picture, classifier, methods="t-tame").pictures[0].maps
    return heatmap.warnings


def test_it_is_said_of_a_strange_picture_and_not_of_one_like_theirs(
    classifier: LoadedModel, trained: TrainedMaps
) -> None:
    card = save_trained_attention("mine", classifier, SHORT, trained)
    assert load_known("mine", card.digest)["null"].shape == (90,)  # the others chose the epoch
    fresh = make_pictures(160, 0).examples[130:]
    said = [UNLIKE in warn(decode(one.data, one.name), classifier) for one in fresh]
    assert sum(said) <= 4, "one in forty is meant to be"
    assert warn(STRANGE, classifier)[0] == UNLIKE


def test_of_too_few_pictures_nothing_is_known_and_nothing_said(classifier: LoadedModel, trained: TrainedMaps) -> None:
    few = replace(trained, known=None)
    card = save_trained_attention("few", classifier, SHORT, few)
    assert load_known("few", card.digest) == {}
    assert UNLIKE not in warn(STRANGE, classifier)


def test_what_is_known_of_the_pictures_damaged_is_a_sentence(classifier: LoadedModel, trained: TrainedMaps) -> None:
    tensors = {name: tensor for name, tensor in trained.list_tensors().items() if not name.endswith("second/axes")}
    card: AttentionCard = describe_attention("mine", classifier, SHORT, trained)
    save_attention("mine", tensors, card)
    picture = decode(PICTURES.examples[0].data, "picture")
    answer = Engine(device="cpu").explain(picture, classifier, methods="grad-cam,t-tame").pictures[0]
    assert "“mine” is damaged" in answer.unavailable["t-tame"]
    short = {name: tensor[:1] if name.endswith("first/mean") else tensor for name, tensor in tensors.items()}
    with pytest.raises(ModelError, match="not numbers"):
        save_attention("other", {**short, "known/null": torch.full((3,), float("nan"))}, card)
