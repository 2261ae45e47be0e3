"""One method, for pages that look at it closely."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import streamlit as st

from components.choices.dropdown import dropdown
from components.choices.methods import METHODS
from explain.methods import all_methods, get_method

ONE_METHOD = "one-method"
"""Key of the session's state: name of the method to look at."""


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
    chosen: str | None = st.session_state.get(ONE_METHOD)
    if chosen is None or chosen not in offered:
        compared = st.session_state.get(METHODS, ())
        chosen = next((name for name in compared if name in offered), offered[0])
    dropdown(
        "Method",
        offered,
        chosen,
        "one-method-widget",
        _choose,
        format_func=lambda name: get_method(name).title,
        help="Methods that need no passes of the network of their own.",
        width=245,
    )
    return chosen


def _choose(name: str) -> None:
    st.session_state[ONE_METHOD] = name
