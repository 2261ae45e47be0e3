"""All of a session's pictures, or those of a zip, sent to a run of their own: asked for on Compare, followed there, and
opened on Collection when it is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import streamlit as st

from components.collections.kept import (
    list_known,
    offer_to_delete,
    say_gone,
    say_what_is_kept,
    say_what_was_done,
    sweep_now_and_then,
)
from components.collections.sending import BEGINNING, Beginning, offer_sending
from components.collections.views import RUN, SENT
from components.maps.question import Question
from components.session.faults import show_faults
from components.session.front_door import open_page
from components.words import escape
from explain.collections.pace import describe_pace
from explain.collections.page_run import PageRun, PageRunState, Phase
from explain.collections.status import read_status
from explain.errors import Cancelled, ExplainError

_OPENED = "explain-all"
_REFUSED, _GO, _FOLLOWED = "explain-all-refused", "explain-all-go", "explain-all-followed"

_LOOK_AGAIN = 1.0
_MOST_REASONS = 3

Colour = Literal["blue", "orange", "green", "red", "grey"]
_PHASES: dict[Phase, tuple[str, Colour, str]] = {
    "explaining": ("Explaining", "blue", ":material/grid_view:"),
    "stopping": ("Stopping", "orange", ":material/hourglass_top:"),
    "done": ("Done", "green", ":material/check:"),
    "failed": ("Failed", "red", ":material/error:"),
    "cancelled": ("Stopped", "grey", ":material/front_hand:"),
    "interrupted": ("Interrupted", "orange", ":material/power_off:"),
}
_ENDS: dict[Phase, str] = {
    "done": "explained",
    "failed": "could not be explained",
    "cancelled": "stopped before all were explained",
    "interrupted": "interrupted before all were explained",
}


def open_when_done() -> None:
    """Go to the Collection page where the run that was followed is done. Call it before anything is drawn."""
    run = _find_sent()
    if run is not None and st.session_state.get(_FOLLOWED) == run.token and not run.state().is_running:
        st.session_state.pop(_FOLLOWED)
        if run.state().phase == "done":
            _go_to(run)
    if st.session_state.pop(_GO, False):
        open_page("collection")


def _go_to(run: PageRun) -> None:
    st.session_state[RUN], st.session_state[_GO] = run.token, True


def say_under_way() -> None:
    """A line above the maps for whoever comes back by the address: how far the run is, or that it is over."""
    run = _find_sent()
    if run is not None and st.session_state.get(RUN) != run.token:
        st.fragment(_say_under_way, run_every=_LOOK_AGAIN if run.state().is_running else None)(run)


@show_faults
def _say_under_way(run: PageRun) -> None:
    if st.session_state.get(SENT) != run.token or PageRun.find(run.token) is None:
        return
    state = run.state()
    said = describe_pace(state.pace) if state.is_running else _ENDS[state.phase]
    st.caption(f"{_PHASES[state.phase][2]} Your pictures: {said[:1].lower()}{said[1:]}. *Explain all* below has more.")


def _find_sent() -> PageRun | None:
    token = st.session_state.get(SENT)
    return None if token is None else PageRun.find(token)


def offer_explain_all(question: Question, keep_link: Callable[[], None]) -> None:
    """A section under the maps, closed until a person opens it; open where a run is under way.

    Args:
        question: what is asked of the pictures above; all are asked the same.
        keep_link: puts the run's token into the address.
    """
    sweep_now_and_then()
    run = _find_sent()
    list_known()
    if st.session_state.get(SENT) is not None:
        st.session_state.setdefault(_OPENED, True)
    if st.session_state.get(BEGINNING) is not None or (run is not None and run.state().is_running):
        st.fragment(_follow, run_every=_LOOK_AGAIN)(run, keep_link)
    else:
        st.fragment(_rest)(question, run, keep_link)


def _open_section() -> Any:
    return st.expander("Explain all", key=_OPENED, icon=":material/grid_view:", on_change="rerun")


@show_faults
def _follow(run: PageRun | None, keep_link: Callable[[], None]) -> None:
    """A run that is being started, or is under way."""
    keep_link()
    beginning: Beginning | None = st.session_state.get(BEGINNING)
    if beginning is not None:
        _follow_beginning(beginning)
        return
    state = None if run is None else run.state()
    if run is None or state is None or not state.is_running:
        st.rerun()
    st.session_state[_FOLLOWED] = run.token
    with _open_section():
        _show_head(state.phase)
        st.progress(min(max(state.pace.share, 0.0), 1.0), describe_pace(state.pace))
        st.button(
            "Stop",
            key="explain-all-stop",
            icon=":material/stop:",
            on_click=run.cancel,
            disabled=state.phase == "stopping",
            help="What is explained by now is kept, and can be looked at; it can go on later.",
        )
        st.caption("It goes on without this page: close it, and its address brings you back here.")


def _follow_beginning(beginning: Beginning) -> None:
    beginning.seen = time.monotonic()
    if beginning.wait(0):
        st.session_state.pop(BEGINNING)
        try:
            st.session_state[SENT] = beginning.result().token
        except Cancelled:
            pass
        except ExplainError as error:
            st.session_state[_REFUSED] = str(error)
        st.rerun()
    with _open_section():
        share, said = beginning.progress
        st.progress(share or 0.0, said or "Starting …")
        st.button("Stop", key="explain-all-stop", icon=":material/stop:", on_click=beginning.cancel.set)


def _show_head(phase: Phase) -> None:
    title, colour, icon = _PHASES[phase]
    with st.container(key="explain-all-head", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("**Your pictures**", width="content")
        st.badge(title, color=colour, icon=icon)


@show_faults
def _rest(question: Question, run: PageRun | None, keep_link: Callable[[], None]) -> None:
    """What came of the last run, or what it takes to begin one."""
    keep_link()
    if run is not None and st.session_state.get(SENT) is not None and run.folder.exists() and run.state().is_running:
        st.rerun()  # it was taken up again, and is to be followed
    section = _open_section()
    if not section.open:
        return
    with section:
        say_what_was_done()
        refused = st.session_state.pop(_REFUSED, None)
        if refused is not None:
            st.error(escape(refused), icon=":material/error:")
        if st.session_state.get(SENT) is None:
            offer_sending(question)
        elif run is None or PageRun.find(run.token) is None:
            say_gone()
            _offer_others()
        else:
            _show_end(run, run.state())


def _show_end(run: PageRun, state: PageRunState) -> None:
    """A run that nobody works on: how it ended, and what can be done with it."""
    _show_head(state.phase)
    if state.phase == "done":
        st.markdown(_describe_outcome(run))
    elif state.phase == "failed":
        st.error(escape(state.message) or "The reason is in its log.", icon=":material/error:")
    elif state.phase == "interrupted":
        st.warning(
            "Its process ended, perhaps because the machine was switched off. What it had written by then is kept.",
            icon=":material/power_off:",
        )
    if state.phase != "done":
        st.markdown(_describe_written(run, state))
    if state.message and state.phase == "done":
        st.caption(escape(state.message))
    over = state.phase == "done"
    with st.container(key="explain-all-tools", horizontal=True, gap="small"):
        if not over and state.has_pictures:
            st.button(
                "Go on",
                key="explain-all-resume",
                type="primary",
                icon=":material/play_arrow:",
                on_click=_resume,
                args=(run,),
                help="What is explained already stays as it is.",
            )
        if state.has_results:
            label = "Open the collection" if over else "Open what there is"
            if st.button(
                label, key="explain-all-open", type="primary" if over else "secondary", icon=":material/grid_view:"
            ):
                _go_to(run)
                st.rerun()
        _offer_others()
        offer_to_delete(run, "explain-all")
    say_what_is_kept(run)


def _describe_written(run: PageRun, state: PageRunState) -> str:
    """How many pictures are explained of a run that is not done."""
    if not state.has_results:
        return "No picture was explained yet."
    status = read_status(run.result.path)
    return f"{status.written:,} of {status.total:,} pictures are explained by now."


def _describe_outcome(run: PageRun) -> str:
    """How many were explained, and why others were not."""
    status = read_status(run.result.path)
    said = f"{status.written - status.failed:,} of {status.written:,} pictures were explained."
    reasons = [f"{escape(sentence)} ({count:,})" for sentence, count in status.failures.most_common(_MOST_REASONS)]
    return " ".join([said, *(["Not explained:"] if reasons else []), *reasons])


def _resume(run: PageRun) -> None:
    try:
        run.resume()
    except ExplainError as error:
        st.session_state[_REFUSED] = str(error)


def _offer_others() -> None:
    if st.button("Explain others", key="explain-all-others", icon=":material/arrow_back:"):
        st.session_state.pop(SENT, None)
        st.rerun()
