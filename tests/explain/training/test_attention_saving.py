"""Attention trained in this process: what was stopped goes on, and what is kept draws the maps that were judged."""

from pathlib import Path

import pytest
import torch

from explain.errors import Cancelled, ExplainError
from explain.methods.rise import RiseSettings
from explain.models.attention_library import load_attention
from explain.models.loaded import LoadedModel
from explain.training.attention_saving import train_and_save_attention
from explain.training.outcome import Epoch
from tests.support.attention import RECIPE, build_classifier, make_pictures

PICTURES = make_pictures(16, 1)
SHORT = RECIPE.model_copy(update={"judged": 1})


@pytest.fixture
def classifier(monkeypatch: pytest.MonkeyPatch) -> LoadedModel:
    monkeypatch.setattr("explain.training.attention_judging._RISE", RiseSettings(masks=20))
    return build_classifier()


def test_what_was_stopped_goes_on_and_is_kept(classifier: LoadedModel, home: Path) -> None:
    def stop(said: object, share: float | None) -> None:
        if isinstance(said, Epoch) and said.number == 2:
            raise Cancelled("Enough.")

    with pytest.raises(ExplainError, match="no unfinished training"):
        train_and_save_attention("My maps", classifier, PICTURES, SHORT, True, lambda *_: None)
    with pytest.raises(Cancelled):
        train_and_save_attention("My maps", classifier, PICTURES, SHORT, False, stop)
    card, trained = train_and_save_attention("My maps", classifier, PICTURES, SHORT, True, lambda *_: None)
    assert card.name == "my-maps" and card.report == trained.outcome.worth and len(trained.outcome.epochs) == 3
    assert (card.layers, card.grid, card.classes) == (("first", "second"), (4, 4), ("a", "b", "c"))
    kept = load_attention(card.name, card.digest).state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in trained.tensors.items())
    assert not [*(home / "runs").iterdir()]  # the checkpoint is gone with the training
