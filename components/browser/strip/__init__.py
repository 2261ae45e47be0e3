"""The strip of a stack: what a model answers along its slices, with the slice in view as a line that can be moved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent

_mount = st.components.v2.component(
    "camscope_strip",
    js=(_FOLDER / "strip.js").read_text(encoding="utf-8"),
    css=(_FOLDER / "strip.css").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Lane:
    """One quantity along the stack.

    Attributes:
        title: what it is called.
        values: by slice, how high it is drawn, 0…1.
        said: by slice, what it is in words.
        scale: heights that are named, of a quantity drawn as a line; of one drawn as bars, none.
        blank: slices whose map shows nothing.
        faint: slices whose map shows nearly nothing.
    """

    title: str
    values: Mapping[int, float]
    said: Mapping[int, str]
    scale: Sequence[tuple[float, str]] = ()
    blank: Collection[int] = ()
    faint: Collection[int] = ()


@dataclass(frozen=True)
class Strip:
    """A stack.

    Attributes:
        count: how many slices it has, missing ones too.
        at: the slice in view, from 0.
        lanes: from top to bottom.
        missing: slices that are not in the series.
        problems: by slice, why it could not be explained, in a sentence.
        earlier: whether the lanes are of earlier settings, and are drawn pale.
    """

    count: int
    at: int
    lanes: Sequence[Lane]
    missing: Collection[int] = ()
    problems: Mapping[int, str] = field(default_factory=dict)
    earlier: bool = False


def strip(shown: Strip, key: str, on_slice: Callable[[int], None]) -> None:
    """Show the strip. A slice that is pressed, or moved to, is reported once the hand rests.

    Args:
        shown: the stack.
        key: the component's key on the page.
        on_slice: called with the slice that was chosen, from 0.
    """

    def read() -> None:
        at, _ = _read_report(st.session_state.get(key))
        if at is not None and 0 <= at < shown.count and at not in shown.missing:
            on_slice(at)

    data = {
        "count": shown.count,
        "at": shown.at,
        "lanes": [_describe_lane(lane, shown.count) for lane in shown.lanes],
        "missing": sorted(shown.missing),
        "problems": {str(at): problem for at, problem in shown.problems.items()},
        "earlier": shown.earlier,
        "heard": _read_report(st.session_state.get(key))[1],
    }
    _mount(key=key, data=data, on_slice_change=read)


def _describe_lane(lane: Lane, count: int) -> dict[str, Any]:
    return {
        "title": lane.title,
        "values": [round(lane.values[at], 4) if at in lane.values else None for at in range(count)],
        "said": [lane.said.get(at) for at in range(count)],
        "line": bool(lane.scale),
        "scale": [list(one) for one in lane.scale],
        "blank": sorted(lane.blank),
        "faint": sorted(lane.faint),
    }


def _read_report(state: Any) -> tuple[int | None, int]:
    """The slice that the browser reported last, and the number of that report."""
    reported = state.get("slice") if isinstance(state, Mapping) else None
    if not isinstance(reported, Mapping):
        return None, 0
    at, number = reported.get("at"), reported.get("number")
    return (at if isinstance(at, int) else None), (number if isinstance(number, int) else 0)
