"""One of a few, as a row of buttons: which of a page's views is open, how something is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import streamlit as st

V = TypeVar("V", bound=str)


def pick_one(
    label: str,
    key: str,
    choices: Mapping[V, str],
    help: str | None = None,
    on_change: Callable[[], None] | None = None,
    label_hidden: bool = False,
) -> V:
    """Offer a few choices of which one always stands: the first, until another is chosen.

    Args:
        label: what is chosen.
        key: of the session's state, where the choice outlasts a change of page.
        choices: by name, what stands on the button.
        help: more on it.
        on_change: called before the page is made anew with another choice.
        label_hidden: only screen readers are told the label.
    """
    if st.session_state.get(key) not in choices:
        st.session_state[key] = next(iter(choices))
    chosen: V | None = st.segmented_control(
        label,
        [*choices],
        key=key,
        format_func=choices.__getitem__,
        on_change=on_change,
        persist_state="session",
        required=True,
        help=help,
        label_visibility="collapsed" if label_hidden else "visible",
    )
    assert chosen is not None  # one is required, and one was set
    return chosen


def pick_one_view(key: str, views: Mapping[V, str]) -> V:
    """Offer a page's views, the same on every page that has several.

    Args:
        key: of the session's state.
        views: by name, what stands on the button.
    """
    return pick_one("View", key, views, label_hidden=True)
