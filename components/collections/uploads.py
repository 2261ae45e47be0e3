"""What is read of an upload: once, and not each time that the page is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from explain.errors import ExplainError

Read = TypeVar("Read")


def read_once(key: str, id: object, read: Callable[[], Read]) -> Read | str:
    """What was read of what a person gave; a sentence where it cannot be read.

    Args:
        key: of the session's state, where it is kept until something else is given.
        id: of what was given.
        read: reads it.
    """
    kept: tuple[object, Read | str] | None = st.session_state.get(key)
    if kept is None or kept[0] != id:
        try:
            kept = id, read()
        except ExplainError as error:
            kept = id, str(error)
        st.session_state[key] = kept
    return kept[1]
