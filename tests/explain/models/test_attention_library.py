"""Trained attention kept by name: whole, of one network alone, and refused for every other."""

from pathlib import Path

import pytest
import torch

from explain.errors import MethodError, ModelError
from explain.models.attention_library import (
    LIBRARY,
    AttentionCard,
    find_attention,
    list_attention,
    load_attention,
    save_attention,
)
from explain.models.library import pack
from explain.models.loaded import LoadedModel
from explain.networks.trained_attention import TrainedAttention
from tests.support.attention import build_classifier, make_card


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("explain.models.attention_library.ATTENTION_FOLDER", tmp_path / "shipped")
    load_attention.cache_clear()
    return tmp_path


@pytest.fixture(scope="module")
def classifier() -> LoadedModel:
    return build_classifier()


def make_tensors(card: AttentionCard, seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return TrainedAttention(card.channels, len(card.classes), card.grid).state_dict()


def test_what_is_kept_is_what_was_trained(classifier: LoadedModel) -> None:
    card = make_card(classifier)
    tensors = make_tensors(card)
    kept = save_attention("mine", tensors, card)
    assert kept.name == "mine" and len(kept.digest) == 64
    assert list_attention() == list_attention(classifier.fingerprint) == [kept] == [find_attention(classifier)]
    assert [layer.name for layer in kept.find_layers(classifier)] == ["first", "second"]
    loaded = load_attention("mine", kept.digest)
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in tensors.items())
    assert not loaded.training and not any(value.requires_grad for value in loaded.parameters())


def test_the_newest_is_taken_and_what_ships_last(classifier: LoadedModel, home: Path) -> None:
    card = make_card(classifier)
    shipped = card.model_copy(update={"name": "shipped", "created": card.created.replace(year=2030)})
    (home / "shipped").mkdir()
    (home / "shipped" / "shipped.safetensors").write_bytes(pack(make_tensors(card), shipped))
    assert find_attention(classifier).name == "shipped"
    save_attention("old", make_tensors(card), card)
    save_attention("new", make_tensors(card, 1), card.model_copy(update={"created": card.created.replace(year=2027)}))
    assert [one.name for one in list_attention(classifier.fingerprint)] == ["new", "old", "shipped"]
    assert find_attention(classifier, "old").name == "old" and find_attention(classifier, "shipped").name == "shipped"


def test_it_is_refused_for_another_network(classifier: LoadedModel) -> None:
    card = save_attention("mine", make_tensors(make_card(classifier)), make_card(classifier))
    other = build_classifier(1)
    assert list_attention(other.fingerprint) == []
    with pytest.raises(MethodError, match="“mine” was trained for tiny as it was then"):
        find_attention(other, "mine")
    with pytest.raises(MethodError, match="was trained for"):
        card.find_layers(other)
    with pytest.raises(MethodError, match="there is none for “tiny”"):
        find_attention(other)


@pytest.mark.parametrize("name", ["../mine", "Mine", "gone"])
def test_a_name_that_there_is_none_of_is_a_sentence(name: str, classifier: LoadedModel) -> None:
    with pytest.raises(MethodError, match="attention"):
        find_attention(classifier, name)


def test_what_does_not_fit_its_card_is_a_sentence(classifier: LoadedModel) -> None:
    card = make_card(classifier)
    tensors = make_tensors(card)
    with pytest.raises(ModelError, match="does not fit its own card"):
        save_attention("mine", {**tensors, "fusion.bias": torch.zeros(7)}, card)
    with pytest.raises(ModelError, match="not numbers"):
        save_attention("mine", {**tensors, "fusion.bias": torch.full((3,), torch.nan)}, card)
    assert list_attention() == []
    kept = save_attention("mine", tensors, card)
    with pytest.raises(ModelError, match="“mine” already"):
        save_attention("mine", tensors, card)
    LIBRARY.find_file("mine").write_bytes(pack(make_tensors(card, 1), kept))
    with pytest.raises(ModelError, match="is damaged"):
        load_attention("mine", kept.digest)


@pytest.mark.parametrize(
    "changes", [{"layers": ()}, {"channels": (1,)}, {"classes": ("a",)}, {"name": "../x"}, {"pictures": -1}]
)
def test_a_card_that_says_nonsense_is_none(changes: dict[str, object], classifier: LoadedModel) -> None:
    data = make_card(classifier).model_dump()
    AttentionCard.model_validate(data)
    with pytest.raises(ValueError, match="validation error"):
        AttentionCard.model_validate({**data, **changes})
