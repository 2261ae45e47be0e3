"""A part of a page that fails says why in a sentence, and what nobody expected stays in the log."""

import ast
import logging
import tomllib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.proto.BackMsg_pb2 import BackendOperationRequest, DeferredFileRequestPayload
from streamlit.runtime import media_file_manager
from streamlit.runtime.backend_operation_handler import DeferredFileHandler
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.state import session_state
from streamlit.testing.v1 import AppTest

from components.server.doors import KEPT
from components.session.faults import UNEXPECTED, guard_callbacks, guard_downloads, show_faults
from explain.errors import ModelError, PictureError, StorageError
from tests.support.server import run

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sentences on the page."""
    sentences: list[str] = []
    monkeypatch.setattr("streamlit.error", lambda text, icon: sentences.append(text))
    return sentences


def fail_with(error: Exception) -> Callable[[], None]:
    @show_faults
    def draw() -> None:
        raise error

    return draw


def test_what_is_refused_is_shown_as_its_sentence(shown: list[str]) -> None:
    fail_with(PictureError("The picture is empty."))()
    assert shown == ["The picture is empty."]


def test_what_was_refused_because_of_others_can_be_asked_again() -> None:
    def page() -> None:
        import streamlit as st

        from components.session.faults import show_faults
        from explain.errors import Busy

        @show_faults
        def draw() -> None:
            asked = st.session_state["asked"] = st.session_state.get("asked", 0) + 1
            if asked == 1:
                raise Busy("CAMscope is busy.")
            st.markdown("The map.")

        draw()

    tested = AppTest.from_function(page).run()
    assert [warning.value for warning in tested.warning] == ["CAMscope is busy."]
    assert not tested.error
    (again,) = tested.button
    again.click().run()
    assert [text.value for text in tested.markdown] == ["The map."]
    assert not tested.warning


def test_what_nobody_expected_is_in_the_log_and_names_no_internals(
    shown: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        fail_with(KeyError("internal"))()
    assert shown == [UNEXPECTED] and "internal" not in UNEXPECTED
    assert "KeyError: 'internal'" in caplog.text


def test_a_part_that_works_is_drawn_with_what_it_was_given(shown: list[str]) -> None:
    drawn: list[tuple[int, str]] = []

    @show_faults
    def draw(number: int, name: str) -> None:
        drawn.append((number, name))

    draw(3, name="cat")
    assert drawn == [(3, "cat")] and shown == [] and draw.__name__ == "draw"


def press(failing: bool) -> AppTest:
    def show(failing: bool) -> None:
        import streamlit as st

        from components.session.faults import guard_callbacks, show_faults
        from explain.errors import ModelError

        def refuse() -> None:
            raise ModelError("There are no such prompts.")

        def break_down() -> None:
            raise KeyError("internal")

        @show_faults
        def draw() -> None:
            st.button("Press", on_click=break_down if failing else refuse)

        assert guard_callbacks()
        draw()

    page = AppTest.from_function(show, args=(failing,)).run()
    return page.button[0].click().run()


def test_what_a_callback_is_refused_is_shown_as_its_sentence_once() -> None:
    page = press(failing=False)
    assert not page.exception and [error.value for error in page.error] == ["There are no such prompts."]
    assert not page.run().error


async def refuse_to_make(error: Exception) -> str:
    """What the button of a download is told whose file cannot be made."""
    media = MediaFileManager(MemoryMediaFileStorage("/media"))

    def make() -> bytes:
        raise error

    file = media.add_deferred(make, "text/csv", "1.1")
    request = BackendOperationRequest(deferred_file=DeferredFileRequestPayload(file_id=file))
    return str((await DeferredFileHandler(lambda: media).handle(request, "session")).error_msg)


@pytest.mark.parametrize(
    ("error", "said"),
    [(StorageError("The disk is full."), "The disk is full."), (KeyError("internal"), UNEXPECTED)],
)
def test_the_button_of_a_download_that_fails_says_why(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner, door in ((MediaFileManager, "add_deferred"), (DeferredFileHandler, "handle")):
        call = getattr(owner, door)
        monkeypatch.setattr(owner, door, getattr(call, KEPT, call))  # a page that was run before may have guarded it
    monkeypatch.setattr(media_file_manager, "_get_session_id", lambda: "session")
    assert run(refuse_to_make(error)) == "Failed to generate file for download", "as Streamlit has it"
    assert guard_downloads() and guard_downloads()
    assert run(refuse_to_make(error)) == said


def test_a_callback_that_breaks_shows_no_box_and_the_page_stands(caplog: pytest.LogCaptureFixture) -> None:
    page = press(failing=True)
    assert not page.exception and [error.value for error in page.error] == [UNEXPECTED]
    assert page.button[0].label == "Press" and "KeyError: 'internal'" in caplog.text


def test_what_a_component_reports_goes_through_the_same_door(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, str] = {}
    monkeypatch.setattr("streamlit.session_state", said)
    monkeypatch.setattr(session_state.ThreadState, "scoped", lambda **place: nullcontext())

    def fail() -> None:
        raise ModelError("Gone.")

    assert guard_callbacks()
    votes = session_state._CallbackRerunVotes()
    session_state.SessionState()._execute_widget_callback(votes, fail, SimpleNamespace(fragment_id=None), (), {})  # type: ignore[arg-type]
    assert [*said.values()] == ["Gone."] and votes.wants_interaction_default


def test_every_page_and_every_fragment_is_guarded() -> None:
    unguarded = []
    for path in (*ROOT.glob("pages/**/*.py"), *ROOT.glob("components/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            marks = [ast.unparse(mark) for mark in node.decorator_list]
            drawn = any(mark.startswith("st.fragment") or mark.startswith("st.dialog") for mark in marks)
            if (drawn or node.name == "show_page") and marks[-1:] != ["show_faults"]:
                unguarded.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert not unguarded


def test_streamlits_own_box_would_neither_quote_nor_link() -> None:
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["client"]
    assert (settings["showErrorDetails"], settings["showErrorLinks"]) == ("none", False)
