"""Presenter mode: the pictures without the controls, and keys to go through them before an audience.

The browser hides and shows at once; the server hears of it only so that the address can say it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from components.choices.comparison import BY
from components.choices.model import get_choice
from components.choices.pictures import get_tray, list_keys

PRESENTING = "presenting"
"""Key of the session's state: whether the controls are hidden."""

_KEY = "presenter"
_PICKED = "presenter-picked"
_FOLDER = Path(__file__).parent

_mount = st.components.v2.component(
    "camscope_presenter",
    js=(_FOLDER / "presenter.js").read_text(encoding="utf-8"),
    css=(_FOLDER / "presenter.css").read_text(encoding="utf-8"),
)


TurnPicture = Callable[[int | None, int], None]
"""Shows the picture of a number from 1, or without one the next (1), or the one before (-1)."""


def offer_presenter(turn_scene: Callable[[int], None], named: bool, turn_picture: TurnPicture | None = None) -> None:
    """The way into presenter mode, which is a button and the key p, and the keys in it.

    What is hidden then is said in `assets/style.css`; the canvas makes a slide of itself (`canvas/slide.js`).

    Args:
        turn_scene: shows the next scene of the playlist (1), or the one before (-1).
        named: whether the model chosen is the one that answers, and so the one to name.
        turn_picture: on a page with pictures of its own.
    """
    if st.session_state.get(BY) == "models":
        named = False  # each pane says which

    def read_scene() -> None:
        step = st.session_state[_KEY].get("scene")
        if step in (-1, 1):
            turn_scene(step)

    _mount(
        key=_KEY,
        data={
            "presenting": bool(st.session_state.get(PRESENTING, False)),
            "model": get_choice().request.name if named else "",
        },
        on_presenting_change=_read_presenting,
        on_picked_change=lambda: _read_picked(turn_picture or _turn_picture),
        on_scene_change=read_scene,
        width="content",
    )


def _read_presenting() -> None:
    st.session_state[PRESENTING] = st.session_state[_KEY].get("presenting") is True


def _read_picked(turn: TurnPicture) -> None:
    """Show the picture of a number key, or the next one of those at hand."""
    picked = st.session_state[_KEY].get("picked")
    if not isinstance(picked, dict) or picked.get("at") == st.session_state.get(_PICKED):
        return
    st.session_state[_PICKED] = picked.get("at")
    number, step = picked.get("number"), picked.get("step")
    if isinstance(number, int):
        turn(number, 0)
    elif step in (-1, 1):
        turn(None, step)


def _turn_picture(number: int | None, step: int) -> None:
    tray, keys = get_tray(), list_keys()
    if number is None:
        at = next((keys.index(key) for key in tray.shown if key in keys), -1 if step == 1 else 0)
        tray.show_only(keys[(at + step) % len(keys)])
    elif number in range(1, len(keys) + 1):
        tray.show_only(keys[number - 1])
