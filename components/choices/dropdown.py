"""A list to choose one from, whose choice outlasts the list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

V = TypeVar("V")


def dropdown(
    label: str, options: Sequence[V], chosen: V | None, key: str, choose: Callable[[V], None], **looks: Any
) -> None:
    """Show what is chosen, and hear of another choice.

    What is chosen is kept by the caller, in an entry of the session's state that is no widget's: it is there while
    another page is open, can be set from elsewhere, and survives options that do not have it.

    Args:
        label: of the list.
        options: what there is to choose from.
        chosen: the one that is chosen; None where it is none of them.
        key: the widget's key, which nobody else reads or sets.
        choose: keeps what the person chooses, before the page is made anew.
        looks: all else that `st.selectbox` takes.
    """
    st.session_state[key] = known = chosen

    def read() -> None:
        nonlocal known
        said = st.session_state[key]
        # When the list leaves the page, Streamlit forgets what stood in it. A browser that does not know of that yet
        # says it once more, which is taken for a change, and would take back whatever made the list leave.
        if said is not None and said != known:
            known = said
            choose(said)

    st.selectbox(label, options, key=key, on_change=read, **looks)
