"""At the beginning of each page: who is here, whether their log-in goes on, and what is not for them."""

from __future__ import annotations

import threading
from typing import Literal, NoReturn

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from components.access.log_ins import End, find_log_ins
from components.access.person import Person, do_people_log_in, find_person
from components.server.events import log_event
from components.server.metrics import find_metrics
from components.server.owners import count_windows_before
from components.server.settings import read_server_settings
from components.session.faults import show_faults
from explain.rights import Right, acting_for, describe_missing, may, record

_AT = "access-page"  # of the session's state: the page that was drawn last
_LEAVING = "access-leaving"
_WAITING = "access-waiting"  # there was no place for this window when it was opened
_LOOK_AGAIN = 60.0  # seconds
_LOOK_FOR_PLACE = 5.0


def check_in() -> None:
    """Draw nothing for who has no role, has too many windows open, or whose log-in is over, which frees what their
    session holds; for the others say who they are. Call it first on every page; where nobody logs in, it does nothing.
    """
    if not do_people_log_in():
        return
    person, log_ins = find_person(), find_log_ins()
    if person is None:
        _leave(None, None)
    context = get_script_run_ctx()
    page = context.page_script_hash if context is not None else ""
    fresh = _AT not in st.session_state
    turned = st.session_state.get(_AT) != page  # to open a page is a press
    end = log_ins.press(person.claims) if turned else log_ins.find_end(person.claims)
    if end is not None or st.session_state.get(_LEAVING):
        _leave(person, end)
    if person.role is None:
        _say_no_role(person)
    if fresh and not _has_place(person):  # who had one keeps it, with all that is chosen, when the line drops
        _say_too_many()
    st.session_state[_AT] = page
    st.session_state.pop(_WAITING, None)
    if fresh:
        record("page opened")
    with st.sidebar:
        _show_line(person)
    _look_again()


def is_refused(right: Right) -> bool:
    """Whether a part of the page is not for this person, which is said in its place; the calls behind it ask again."""
    if may(right):
        return False
    st.info(describe_missing(right), icon=":material/lock:")
    return True


@st.fragment(run_every=_LOOK_AGAIN)
@show_faults
def _look_again() -> None:
    """Streamlit draws this now and then by itself, and a log-in that is over ends then, if nobody presses anything."""
    _find_who_stays()


def _has_place(person: Person) -> bool:
    """Whether this window is among the first that a person has open, of as many as they may."""
    context = get_script_run_ctx()
    before = 0 if context is None else count_windows_before(person.claims, context.session_id)
    return before < read_server_settings().sessions_a_person


def _say_too_many() -> NoReturn:
    if _WAITING not in st.session_state:
        st.session_state[_WAITING] = True
        find_metrics().refused.labels("sessions").inc()
        log_event("refused", reason="sessions")
    most = read_server_settings().sessions_a_person
    st.title("CAMscope", anchor=False)
    st.warning(
        f"You have {most} windows of CAMscope open already, as many as one person may have here. Close one that you do "
        "not need: this one then goes on by itself within seconds.",
        icon=":material/tab_close:",
    )
    _offer_way_out("secondary")
    _await_place()
    st.stop()


@st.fragment(run_every=_LOOK_FOR_PLACE)
@show_faults
def _await_place() -> None:
    if _has_place(_find_who_stays()):
        st.rerun()


def _find_who_stays() -> Person:
    """Whose window this is; if their log-in is over meanwhile, it ends here."""
    person = find_person()
    end = None if person is None else find_log_ins().find_end(person.claims)
    if person is None or end is not None:
        _leave(person, end)
    return person


def _leave(person: Person | None, end: End | None) -> NoReturn:
    """End the log-in, and let go of all that the session holds.

    Args:
        person: who goes; None for who has gone before.
        end: why, where not by their own press just now.
    """
    if person is not None and end != "out":  # of which another window has told
        with acting_for(person.actor):
            record("log-out" if end is None else f"log-out: {end}")
        log_event("log-in ended")
        find_log_ins().end(person.claims)
    forget_session()
    st.logout()
    st.stop()


def forget_session() -> None:
    """Stop what is under way for this session, and forget its choices, pictures and uploads."""
    for value in list(st.session_state.to_dict().values()):
        cancel = getattr(getattr(value, "work", value), "cancel", None)
        if isinstance(cancel, threading.Event):
            cancel.set()
    st.session_state.clear()
    context = get_script_run_ctx()
    if context is not None and runtime.exists():
        runtime.get_instance().uploaded_file_mgr.remove_session_files(context.session_id)


def _show_line(person: Person) -> None:
    with st.container(
        key="person", horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="small"
    ):
        st.text(f"{person.name} · {person.role}", width="stretch")
        _offer_way_out()


def _offer_way_out(kind: Literal["secondary", "tertiary"] = "tertiary") -> None:
    st.button(
        "Log out",
        key="log-out",
        type=kind,
        icon=":material/logout:",
        help="Ends this log-in in all windows, and forgets your pictures.",
        on_click=lambda: st.session_state.update({_LEAVING: True}),
    )


def _say_no_role(person: Person) -> NoReturn:
    st.title("CAMscope", anchor=False)
    st.warning(
        f"You are logged in as {person.name}, but nobody has given you a role here, so there is nothing to see. Ask "
        f"whoever runs this server: what you may do follows from the claim “{read_server_settings().roles_claim}” of "
        "the log-in.",
        icon=":material/lock:",
    )
    _offer_way_out("secondary")
    st.stop()
