"""What was chosen with widgets that several pages show, carried from one page to the next."""

from __future__ import annotations

import streamlit as st

MODEL_SOURCE = "model-source"
"""Key of the widget that says where models are looked for."""

HUB_TEXT = "hub-text"
"""Key of the words that the hub is searched for."""

PROBABILITY = "probability"
"""Key of the widget that asks for the class's probability instead of its score."""

SETTING = "setting:"
"""What the keys of every method's settings begin with."""

_SHOWN = "page-shown"


def carry_choices(page: str) -> None:
    """Keep what was chosen with the widgets that several pages show, when one page follows another.

    To Streamlit the same widget on another page is another widget: its value is known here, but the browser would show
    the lowest one, and report that. A value that is set is sent along.

    Args:
        page: the page's address.
    """
    if st.session_state.get(_SHOWN, page) != page:
        for key in list(st.session_state):
            if key in (MODEL_SOURCE, HUB_TEXT, PROBABILITY) or str(key).startswith(SETTING):
                st.session_state[key] = st.session_state[key]
    st.session_state[_SHOWN] = page


def get_page() -> str:
    """Address of the page that is shown; empty for the first."""
    page: str = st.session_state.get(_SHOWN, "")
    return page
