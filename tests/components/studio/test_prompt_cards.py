"""The library as a person meets it: in the picker, on the Models page and in links."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest

from components.choices.model import describe_prompts
from components.studio.prompt_cards import describe_classes, list_recipe
from explain.engine.engine import Engine
from explain.models.judged import Judged
from explain.models.prompt_library import (
    PromptCard,
    delete_prompts,
    encode_card,
    encode_prompts,
    list_prompts,
    save_prompts,
)
from explain.models.request import ModelRequest
from tests.support.people import asking, make_actor

BACKBONE = ModelRequest(source="bundled", name="photo-vit")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def fingerprint() -> str:
    return Engine().load(BACKBONE).fingerprint


@pytest.fixture
def keep(fingerprint: str) -> Callable[..., PromptCard]:
    """Put prompts for three classes into the library."""

    def save(
        name: str, classes: tuple[str, ...] = ("robin", "wren", "![x](http://elsewhere.test/x.png)")
    ) -> PromptCard:
        made = torch.Generator().manual_seed(len(name))
        tensors = {
            "prompts": torch.randn(1, len(classes), 128, generator=made),
            "score.weight": torch.randn(1, 128, generator=made),
            "score.bias": torch.zeros(1),
        }
        card = PromptCard(
            name=name,
            classes=classes,
            backbone=BACKBONE,
            backbone_fingerprint=fingerprint,
            variant="last",
            recipe={"variant": "last", "epochs": 12, "learning_rate": 0.005, "mirror": True, "of-old": "kept"},
            accuracy=87.5,
            class_accuracy=(100.0, 50.0, 98.0),
            pictures=75,
            created=datetime(2026, 3, 1, tzinfo=UTC),
        )
        return save_prompts(name, tensors, card)

    return save


def show(page: Callable[[], None]) -> AppTest:
    app = AppTest.from_function(page, default_timeout=30).run()
    assert not app.exception
    return app


def models_page() -> None:
    import streamlit as st

    from pages.models import show_page

    st.navigation([st.Page(show_page, title="Models"), st.Page(lambda: None, title="Studio", url_path="studio")])
    show_page()


def picker() -> None:
    import streamlit as st

    from components.choices.model import pick_model

    st.navigation([st.Page(lambda: None, title="Compare"), st.Page(lambda: None, title="Studio", url_path="studio")])
    st.session_state["chosen"] = pick_model().request


def spoken(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.markdown, *app.caption, *app.error])


def test_an_empty_library_points_to_the_studio() -> None:
    app = show(models_page)
    assert "None yet" in spoken(app)
    assert [link.proto.label for link in app.get("page_link")] == ["Train prompts in the Studio"]
    app = AppTest.from_function(picker, default_timeout=30)
    app.session_state["model-source"] = "prompts"
    app.run()
    assert not app.exception
    assert "You have no prompts yet" in spoken(app)
    assert [link.proto.label for link in app.get("page_link")] == ["Train prompts in the Studio"]
    assert app.session_state["chosen"].name == "imagenet-cnn"


def test_prompts_are_picked_like_any_model(keep: Callable[..., PromptCard]) -> None:
    keep("birds")
    keep("other-birds")
    app = AppTest.from_function(picker, default_timeout=30)
    app.session_state["model-source"] = "prompts"
    app.run()
    assert app.selectbox(key="prompts").options == ["birds", "other-birds"]
    assert app.selectbox(key="prompts").value is None
    app.selectbox(key="prompts").set_value("other-birds").run()
    assert not app.exception
    assert app.session_state["chosen"] == ModelRequest(source="prompts", name="other-birds")
    said = spoken(app)
    assert "3 classes on photo" in said and "87.5" in said and "robin, wren" in said
    assert "![x](" not in said, "a class name is no picture of another host"


def test_the_models_page_lists_uses_and_deletes(keep: Callable[..., PromptCard]) -> None:
    keep("birds")
    app = show(models_page)
    labels = [expander.label for expander in app.expander]
    assert any(label.startswith("**birds** · 3 classes") for label in labels)
    assert {"Prompts", "Card"} <= {button.proto.label for button in app.get("download_button")}
    app.button(key="card-use-birds").click().run()
    assert app.session_state["model"].request == ModelRequest(source="prompts", name="birds")
    assert app.button(key="card-use-birds").disabled
    assert len(list_prompts()) == 1, "nothing is deleted by opening the popover"
    app.button(key="card-delete-sure-birds").click().run()
    assert not app.exception
    assert list_prompts() == []
    assert "None yet" in spoken(app)


def test_prompts_from_elsewhere_are_taken_in(keep: Callable[..., PromptCard]) -> None:
    keep("birds")
    data = encode_prompts("birds")
    delete_prompts("birds")
    app = show(models_page)
    app.file_uploader(key="prompts-file-0").set_value(("theirs.safetensors", data, "")).run()
    assert not app.exception
    assert [card.name for card in list_prompts()] == ["birds"]
    assert [done.value for done in app.success] == ["“birds” is among your prompts now."]
    app.file_uploader(key="prompts-file-1").set_value(("theirs.safetensors", b"pixels", "")).run()
    assert not app.exception and "no file of prompts that CAMscope wrote" in app.error[0].value


def test_who_may_keep_none_is_told_so(keep: Callable[..., PromptCard]) -> None:
    with asking(make_actor(key="a" * 64)):
        app = show(models_page)
    assert not app.file_uploader and "Your role here does not let you keep" in app.info[0].value


def test_deleting_prompts_offers_to_delete_their_training(keep: Callable[..., PromptCard], home: Path) -> None:
    cards = [keep("birds"), keep("other-birds")]
    folders = [home / "runs" / ("a" * 42 + str(number)) for number in range(2)]
    for folder, card in zip(folders, cards, strict=True):
        (folder / "pictures").mkdir(parents=True)
        (folder / "order.json").write_text("{}")
        done = {"phase": "done", "name": card.name, "digest": card.digest}
        (folder / "progress.jsonl").write_text(f"{json.dumps(done)}\n")
    app = show(models_page)
    app.checkbox(key="card-delete-runs-other-birds").set_value(False).run()
    app.button(key="card-delete-sure-birds").click().run()
    app.button(key="card-delete-sure-other-birds").click().run()
    assert not app.exception
    assert list_prompts() == []
    assert [folder.exists() for folder in folders] == [False, True]


def test_prompts_that_another_session_deleted_cost_a_sentence(keep: Callable[..., PromptCard], home: Path) -> None:
    keep("birds")
    app = show(models_page)
    (home / "prompts" / "birds.safetensors").unlink()
    app.button(key="card-delete-sure-birds").click().run()
    assert not app.exception
    assert "There are no prompts “birds” on this computer" in app.error[0].value


def test_a_card_says_counts_and_an_interval(keep: Callable[..., PromptCard]) -> None:
    judged = Judged(right=(10, 1, 9), pictures=(10, 10, 10), manner="folds", folds=5)
    card = keep("birds").model_copy(update={"judged": judged})
    assert describe_classes(card)[1] == {
        "Class": "![x](http://elsewhere.test/x.png)",
        "Right": "9 of 10",
        "95 % interval": "55–100 %",
    }
    assert describe_prompts(card) == "3 classes on photo-vit, 20 of 30 right (95 % interval 47–83 %); too few to say."
    old = keep("old")
    assert "how many pictures it rests on was not kept" in describe_prompts(old)
    assert json.loads(encode_card("old"))["in words"] == [old.describe_accuracy()]


def test_what_a_card_shows(keep: Callable[..., PromptCard]) -> None:
    card = keep("birds")
    rows: list[dict[str, Any]] = describe_classes(card)
    assert [row["Right (%)"] for row in rows] == [50.0, 98.0, 100.0]
    assert rows[0]["Class"] == "wren"
    described = {row["Setting"]: row["Value"] for row in list_recipe(card.recipe)}
    assert described["Epochs"] == "12"
    assert described["Mirror"] == "yes"
    assert described["Learning rate"] == "0.005"
    assert described["of-old"] == "kept"
