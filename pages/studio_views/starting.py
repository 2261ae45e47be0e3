"""Studio: how a training is named and started, whichever it is."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from components.page.link import keep_link
from components.session.work import Place, Work
from components.studio.views import RUN
from explain.errors import ExplainError
from explain.training.run import TrainingRun

_ASKED = "training-start-asked"


def name_training(key: str, label: str, suggested: str, kept: str) -> str:
    """The name under which its outcome is kept, beside the button that starts it.

    Args:
        key: of the name.
        label: what is named.
        suggested: a name that is free.
        kept: how a sentence on the outcome begins, such as “They are kept”.
    """
    st.session_state.setdefault(key, suggested)
    with st.container(key="training-start", horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.text_input(
            label,
            key=key,
            max_chars=64,
            width=300,
            help=f"{kept} under this name: lower-case letters, digits and hyphens.",
        )
        st.button(
            "Start training",
            key="run-start",
            type="primary",
            icon=":material/play_arrow:",
            help="In a process of its own: it goes on when you leave this page.",
            on_click=lambda: st.session_state.update({_ASKED: True}),
        )
    return name


def start_when_asked(start: Callable[[], TrainingRun]) -> None:
    """Start it where the button was pressed, and follow it then; a sentence where it cannot be."""
    if not st.session_state.pop(_ASKED, False):
        return
    place = Place("starting")
    try:
        run: TrainingRun = place.watch(Work(lambda _: start()), "Starting …")
    except ExplainError as error:
        with place.container():
            st.error(str(error), icon=":material/error:")
        return
    st.session_state[RUN] = run.token
    keep_link()
    st.rerun()
