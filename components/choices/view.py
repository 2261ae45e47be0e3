"""Which of a page's views is open: one row of buttons above them, the same on every page that has several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import streamlit as st

V = TypeVar("V", bound=str)


def pick_one_view(key: str, views: Mapping[V, str]) -> V:
    """Offer a page's views; the first is open until another is chosen.

    Args:
        key: of the session's state.
        views: by name, what stands on the button.
    """
    st.session_state.setdefault(key, next(iter(views)))
    view: V | None = st.segmented_control(
        "View",
        [*views],
        key=key,
        format_func=views.__getitem__,
        persist_state="session",
        required=True,
        label_visibility="collapsed",
    )
    assert view is not None  # one is required, and one was set
    return view
