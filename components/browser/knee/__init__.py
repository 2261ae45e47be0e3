"""The k-distance curve of a clustering, with eps as a line that can be dragged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

_MOST_POINTS = 400

_FOLDER = Path(__file__).parent

_mount = st.components.v2.component(
    "camscope_knee",
    js=(_FOLDER / "knee.js").read_text(encoding="utf-8"),
    css=(_FOLDER / "knee.css").read_text(encoding="utf-8"),
)


def knee(
    curve: np.ndarray,
    steps: Sequence[tuple[float, float]],
    eps: float,
    neighbours: int,
    key: str,
    on_eps: Callable[[float], None],
) -> None:
    """Show the curve. A drag reports as often as answers come back, and its end always.

    Args:
        curve: distance of each channel to its k-th neighbour, ascending.
        steps: every value of eps that can be chosen, with the distance that it stands for, ascending.
        eps: the value in use.
        neighbours: k.
        key: the component's key on the page.
        on_eps: called with the value that was chosen.
    """

    def read() -> None:
        chosen, _ = _read_report(st.session_state.get(key))
        if chosen in known:
            on_eps(known[chosen])

    known = dict(enumerate(value for value, _ in steps))
    places = np.unique(np.linspace(0, max(len(curve) - 1, 0), _MOST_POINTS).astype(int))[: len(curve)]
    data = {
        "curve": [[int(place), float(curve[place])] for place in places],
        "steps": [[float(value), float(distance)] for value, distance in steps],
        "at": min(known, key=lambda number: abs(known[number] - eps)),
        "neighbours": neighbours,
        "channels": len(curve),
        "heard": _read_report(st.session_state.get(key))[1],
    }
    _mount(key=key, data=data, on_eps_change=read)


def _read_report(state: Any) -> tuple[int | None, int]:
    """The place of the value that the browser reported last, and the number of that report."""
    reported = state.get("eps") if isinstance(state, Mapping) else None
    if not isinstance(reported, dict):
        return None, 0
    at, number = reported.get("at"), reported.get("number")
    return (at if isinstance(at, int) else None), (number if isinstance(number, int) else 0)
