"""What the hand does in the grid of maps that changes what the whole page is about."""

from __future__ import annotations

import streamlit as st

from components.browser.canvas import CanvasEvent, read_event
from components.choices.caution import follow_caution
from components.choices.slice_in_view import follow_place
from components.choices.target import choose_target
from components.maps.rows import CAUTION, EXPLAIN_CLASS
from explain.models.loaded import LoadedModel


def follow_hand(key: str, model: LoadedModel) -> None:
    """Make the whole page anew where a slice was scrolled to on a canvas, or a button pressed; see `follow_button`."""
    if follow_place(key):
        st.rerun()
    follow_button(read_event(key), model)


def follow_button(event: CanvasEvent | None, model: LoadedModel) -> None:
    """Do what the pressed button says, and make the whole page anew; nothing where none was pressed.

    Call it before anything is drawn: what would be drawn is not wanted any more.

    Args:
        event: the button.
        model: the model in use, whose classes stand on buttons.
    """
    if event is None:
        return
    action, _, value = event.action.partition(":")
    if action == CAUTION:
        follow_caution(value or None)
    elif action == EXPLAIN_CLASS and value.isdigit():
        choose_target(int(value), model.labels)
    st.rerun()
