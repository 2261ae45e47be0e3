"""What must be said before an answer is read, and what to use instead."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from components.choices import chosen_model
from components.choices.caution import Caution, find_cautions, follow_caution
from explain.bundled.models import bundled_models
from explain.bundled.pictures import bundled_pictures
from explain.pictures.decode import decode
from explain.pictures.picture import Picture
from tests.support.engine import make_picture


def read(name: str) -> Picture:
    entry = next(entry for entry in bundled_pictures() if entry.name == name)
    return decode(entry.path.read_bytes(), entry.title)


def model(name: str, source: str = "bundled") -> Any:
    labels = next(model.classes for model in bundled_models() if model.name == name)
    return SimpleNamespace(request=SimpleNamespace(name=name, source=source), labels=labels)


def test_a_scan_of_a_kind_that_a_model_has_seen_leads_to_that_model() -> None:
    scan = replace(make_picture(0), modality="MR")
    (found,) = find_cautions([scan], model("imagenet-cnn")).values()
    assert found.remedy == "Use scan-mri, which knows MR slices of the brain" and "MR slices" in found.sentence
    assert not find_cautions([scan], model("scan-mri"))


def test_a_scan_asks_for_a_model_of_ones_own_and_a_drawn_bird_for_the_one_that_knows_it() -> None:
    scan, bird, cat = replace(make_picture(0), modality="CT"), read("sunny-finch"), read("cat")
    found = find_cautions([scan, bird, cat], model("imagenet-cnn"))
    assert set(found) == {scan.digest, bird.digest}
    assert (found[scan.digest].model, found[scan.digest].remedy) == (None, "Load your model")
    assert found[bird.digest].remedy == "Use birds-vit, which knows it"
    assert "CT slices" in found[scan.digest].sentence and "drawing" in found[bird.digest].sentence


def test_what_is_in_a_photograph_that_the_model_does_not_know_is_said_as_before() -> None:
    coffee = read("coffee")
    found = find_cautions([coffee], model("photo-cnn"))
    assert found == {
        coffee.digest: Caution(
            "The model in use has no class for what this shows, and names the nearest.", model="imagenet-cnn"
        )
    }


def test_a_model_of_ones_own_is_not_judged_by_the_kind_of_picture() -> None:
    scan = replace(make_picture(0), modality="CT")
    assert not find_cautions([scan], model("imagenet-cnn", source="file"))


def test_whoever_asks_for_a_model_of_their_own_is_told_where(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(chosen_model.st, "toast", lambda text, **look: said.append(text))
    monkeypatch.setattr(chosen_model.st, "session_state", {})
    follow_caution(None)
    assert chosen_model.st.session_state == {"model-goes-to": "file"}
    assert "bar on the left" in said[0], "nothing in view changes otherwise"
