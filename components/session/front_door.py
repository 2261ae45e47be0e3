"""The way into a page that Streamlit would otherwise open past `app.py`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_SHARED = frozenset({"model-source", "hub-text", "probability"})


def go_through_front_door(file: str) -> None:
    """Start again with `app.py`, which leads to the page that was asked for.

    Until `st.navigation` has been called once in a server's life, Streamlit takes `pages/` for pages that stand alone.
    The very first visitor, if they ask for another page than the front one, would get it unstyled and past any gate.

    Args:
        file: the page's file, whose name is its address.
    """
    front = st.Page(lambda: None, title="CAMscope", default=True)
    asked = st.Page(lambda: None, title="CAMscope", url_path=Path(file).stem)
    st.navigation([front, asked], position="hidden")
    st.rerun()


def carry_choices(page: str) -> None:
    """Keep what was chosen with the widgets that several pages show, when one page follows another.

    To Streamlit the same widget on another page is another widget: its value is known here, but the browser would show
    the lowest one, and report that. A value that is set is sent along.

    Args:
        page: the page's address.
    """
    if st.session_state.get("page-shown", page) != page:
        for key in list(st.session_state):
            if key in _SHARED or str(key).startswith("setting:"):
                st.session_state[key] = st.session_state[key]
    st.session_state["page-shown"] = page


def link_to_page(address: str, label: str, icon: str) -> None:
    """A link to another page of this session.

    Args:
        address: the page's address.
        label: what the link says.
        icon: before it.
    """
    st.page_link(st.Page(lambda: None, title=label, url_path=address), label=label, icon=icon)
