"""A playlist of views: kept in order, saved, opened again, and nothing in a file but what a link may say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from components.page.scenes import MOST_SCENES, Playlist, Scene, read_playlist

PAGES = Path(__file__).parents[3] / "pages"


def write_file(**changes: Any) -> bytes:
    scene = {"title": "A cat", "address": "?method=grad-cam"}
    return json.dumps({"camscope": "scenes", "version": 1, "scenes": [{**scene, **changes}]}).encode()


def test_a_saved_list_is_opened_as_it_was() -> None:
    scenes = (Scene(title="Zwei “Katzen” & mehr", address="layers?look=cf-cam&signed=1"), Scene(title="", address=""))
    assert read_playlist(Playlist(camscope="scenes", version=1, scenes=scenes).model_dump_json().encode()) == list(
        scenes
    )
    assert scenes[0].page == "layers"
    assert scenes[0].words == {"look": ["cf-cam"], "signed": ["1"]}


@pytest.mark.parametrize(
    "data",
    [
        write_file(address="https://example.org/?method=grad-cam"),
        write_file(address="//example.org?x=1"),
        write_file(address="../secret?x=1"),
        write_file(address="models?x=1"),
        write_file(address="javascript:alert(1)"),
        write_file(address="?x=1#part"),
        write_file(address="?x=\x00"),
        write_file(address="?" + "x" * 9_000),
        write_file(address="?" + "x=1&" * 500),
        write_file(title="x" * 200),
        write_file(title="two\nlines"),
        write_file(run="rm -rf"),
        json.dumps({"camscope": "scenes", "version": 2, "scenes": []}).encode(),
        json.dumps({"version": 1, "scenes": []}).encode(),
        json.dumps(
            {"camscope": "scenes", "version": 1, "scenes": [{"title": "", "address": ""}] * (MOST_SCENES + 1)}
        ).encode(),
        b"[]",
        b"\xff\xfe",
        b" " * (2**20 + 1),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(ValueError, match="list of scenes"):
        read_playlist(data)


def test_views_are_added_named_moved_shown_and_deleted() -> None:
    def page() -> None:
        import streamlit as st

        from components.page.link import read_words, write_words
        from components.page.scenes import offer_scenes, turn_scene

        if "asked" in st.session_state:
            read_words(st.session_state.pop("asked"))
        offer_scenes()
        st.button("next", key="next", on_click=turn_scene, args=(1,))
        st.session_state["words"] = write_words()

    first, second = {"method": ["grad-cam"], "view.zoom": ["2"]}, {"layer": ["blocks.3"], "view.style": ["contours"]}
    app = AppTest.from_function(page, default_timeout=30)
    for words in (first, second):
        app.session_state["asked"] = {**words, "present": ["1"]}
        app.run()
        app.button(key="scene-add").click().run()
    scenes = app.session_state["scenes"]
    assert [scene.words for scene in scenes] == [first, second], "how a view is shown is no part of it"
    assert [scene.title for scene in scenes] == ["Compare 1", "Compare 2"]

    app.text_input(key="scene-title-1").set_value("The layer before").run()
    app.button(key="scene-arrow_upward-1").click().run()
    assert [scene.title for scene in app.session_state["scenes"]] == ["The layer before", "Compare 1"]
    assert app.text_input(key="scene-title-0").value == "The layer before"

    for wanted in (second, first, second):
        app.button(key="next").click().run()
        assert app.session_state["words"] == {**wanted, "present": ["1"]}, "and who presents goes on presenting"
    app.button(key="scene-play_arrow-1").click().run()
    assert app.session_state["words"] == {**first, "present": ["1"]}
    app.button(key="scene-delete-0").click().run()
    assert [scene.title for scene in app.session_state["scenes"]] == ["Compare 1"]
    assert not app.exception


def test_what_is_saved_is_the_list_of_the_session_that_saves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def page() -> None:
        from components.page.scenes import offer_scenes

        offer_scenes()

    files: list[Callable[[], bytes]] = []
    monkeypatch.setattr(st, "download_button", lambda _label, data, *_, **__: files.append(data))
    app = AppTest.from_function(page, default_timeout=30).run()
    app.button(key="scene-add").click().run()
    assert [scene.title for scene in read_playlist(files[-1]())] == ["Compare 1"], "the server asks without a session"


@pytest.mark.parametrize(
    "page", sorted(path.stem for path in PAGES.glob("*.py") if "show_heading(" in path.read_text())
)
def test_every_page_that_offers_scenes_can_be_one(page: str) -> None:
    address = "" if page == "compare" else page
    assert Scene(title="", address=f"{address}?method=grad-cam").page == address
