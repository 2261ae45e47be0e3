"""One method, for pages that look at it closely."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import streamlit as st

from explain.methods import all_methods, get_method

_CHOICE = "one-method"


def list_quick_methods(obstacles: Collection[str]) -> list[str]:
    """Names of the methods that look at the layer asked for and need no passes of their own.

    Args:
        obstacles: names of those that cannot work on the model.
    """
    return [
        name
        for name, method in all_methods().items()
        if method.place == "layer" and "runner" not in method.needs and name not in obstacles
    ]


def pick_method(offered: Sequence[str]) -> str:
    """Offer methods; begins with the first of those chosen on the Compare page, and gives back a name."""
    chosen = st.session_state.get(_CHOICE)
    if chosen not in offered:
        compared = st.session_state.get("methods", ())
        chosen = next((name for name in compared if name in offered), offered[0])
    st.session_state["one-method-widget"] = chosen

    def read() -> None:
        st.session_state[_CHOICE] = st.session_state["one-method-widget"]

    return st.selectbox(
        "Method",
        offered,
        format_func=lambda name: get_method(name).title,
        key="one-method-widget",
        on_change=read,
        help="Methods that need no passes of the network of their own.",
        width=245,
    )
