"""What nobody expected: the log gets the whole story, the person one calm sentence. No box of Streamlit's own, ever."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ParamSpec

import streamlit as st
from streamlit.runtime.backend_operation_handler import DeferredFileHandler
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.state.session_state import SessionState

from components.server.doors import stand_before
from components.server.metrics import count_failure
from explain.errors import Busy, ExplainError

P = ParamSpec("P")

UNEXPECTED = (
    "Something went wrong that CAMscope did not expect. Nothing you chose is lost: change a choice, or reload the "
    "page. The reason is in the server's log."
)

_PENDING = "fault"  # what a callback failed with, until the page is drawn
_DOOR = "_run_callback_and_record_rerun"

_SAID: ContextVar[list[str] | None] = ContextVar("said", default=None)
"""Why the download that is being made cannot be; None where none is."""

_log = logging.getLogger(__name__)


def show_faults(draw: Callable[P, None]) -> Callable[P, None]:
    """Draw a part of a page; show what it refuses as its sentence, and anything else as one that names no internals.
    What was refused because of others can be asked again. What a callback failed with before is shown above it.
    """

    @functools.wraps(draw)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        pending = st.session_state.pop(_PENDING, None)
        if pending is not None:
            _say(pending)
        try:
            draw(*args, **kwargs)
        except Busy as error:
            st.warning(str(error), icon=":material/groups:")
            st.button("Ask again", key=f"again-{draw.__module__}-{draw.__qualname__}")
        except Exception as error:
            _say(_describe(error, "A part of the page could not be drawn"))

    return guarded


def guard_callbacks() -> bool:
    """Let no callback of any widget end in Streamlit's own box: what it fails with is shown by `show_faults`.

    Streamlit has no option for it, but one door through which it calls every callback, of widgets and of components. A
    guard there holds for those that nobody thought of, too. Once for the server's life.

    Returns:
        Whether that could be done.
    """
    if stand_before(SessionState, _DOOR, _call_guarded):
        return True
    _log.warning("Streamlit calls callbacks elsewhere now: what they fail with is shown as it sees fit")
    return False


def _call_guarded(call: Callable[..., None], self: SessionState, votes: Any, run: Callable[[], None]) -> None:
    def run_guarded() -> None:
        try:
            run()
        except Exception as error:
            st.session_state[_PENDING] = _describe(error, "What was pressed could not be done")

    call(self, votes, run_guarded)


def guard_downloads() -> bool:
    """Let no download that is made on a click fail with a word of Streamlit's: its button says why, for some seconds.

    Its browser side shows what the server answers, and the server answers the same to every fault. Two doors are
    guarded for it: the one by which what makes a file is handed over, and the one by which it is asked for. Once for
    the server's life.

    Returns:
        Whether that could be done.
    """
    handed_over = stand_before(MediaFileManager, "add_deferred", _add_guarded)
    if handed_over and stand_before(DeferredFileHandler, "handle", _answer_guarded):
        return True
    _log.warning("Streamlit makes downloads elsewhere now: what they fail with is shown as it sees fit")
    return False


def _add_guarded(
    call: Callable[..., str], self: MediaFileManager, make: Callable[[], Any], *given: Any, **named: Any
) -> str:
    def make_guarded() -> Any:
        try:
            return make()
        except Exception as error:
            said = _SAID.get()
            if said is not None:
                said.append(_describe(error, "A download could not be made"))
            raise

    return call(self, make_guarded, *given, **named)


async def _answer_guarded(call: Callable[..., Any], self: DeferredFileHandler, request: Any, session_id: str) -> Any:
    said: list[str] = []
    token = _SAID.set(said)  # the thread in which the file is made has it, too
    try:
        response = await call(self, request, session_id)
    finally:
        _SAID.reset(token)
    if said:
        response.error_msg = said[0]
    return response


def _describe(error: Exception, what: str) -> str:
    """The sentence for a person; the log has the rest."""
    count_failure(error)
    if isinstance(error, ExplainError):
        return str(error)
    _log.error(what, exc_info=error)
    return UNEXPECTED


def _say(sentence: str) -> None:
    st.error(sentence, icon=":material/error:")
