"""Sliders that speak while they are dragged.

`st.slider` reports on release. A component without a face watches the sliders of given keys and reports what they
stand at meanwhile, one value at a time and always the last. The sliders, their keys and their state stay Streamlit's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import streamlit as st

_KEY = "live-sliders"
_OVER = f"{_KEY}:over"

_mount = st.components.v2.component(
    "camscope_live_slider", js=Path(__file__).with_name("live_slider.js").read_text(encoding="utf-8")
)


def follow_sliders(keys: Sequence[str]) -> None:
    """Watch the sliders of these keys.

    Call it where everything that depends on them has been shown: in the browser, its arrival means that a reported
    value has been answered and the next may be sent.
    """
    # With the report that is answered, since Streamlit passes on only what has changed.
    data = {"keys": list(keys), "answered": _read_report()}
    _mount(key=_KEY, data=data, on_moving_change=lambda: None, height=1)


def read_slider(key: str, settled: Any, values: Sequence[float] = ()) -> Any:
    """The value a slider stands at: what it is being dragged to, or else `settled`, what it stood at last.

    Args:
        key: the slider's key.
        settled: its value by Streamlit.
        values: those of a slider over a list, which the browser knows by their places in it.
    """
    moving = _read_report()
    if moving.get("key") != key or isinstance(settled, bool | str):
        return settled
    start, value, drag = moving.get("from"), moving.get("value"), moving.get("id")
    if not _is_number(start) or not _is_number(value) or drag == st.session_state.get(_OVER):
        return settled
    if values:
        if not (0 <= start < len(values) and 0 <= value < len(values)):
            return settled
        start, value = values[int(start)], values[int(value)]
    if not math.isclose(start, settled, rel_tol=1e-6, abs_tol=1e-9):
        # It was released elsewhere. Remembered, since the slider may be set back to where this drag began.
        st.session_state[_OVER] = drag
        return settled
    return type(settled)(value)


def _read_report() -> dict[str, Any]:
    """What the browser has said last, or nothing."""
    state = st.session_state.get(_KEY)
    moving = state.get("moving") if isinstance(state, Mapping) else None
    return moving if isinstance(moving, dict) else {}


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
