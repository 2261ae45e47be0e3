"""Verdicts on Compare: measured after the maps are there, said under each, and never in the way of a slider."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from components.browser.late_marks import Mark, Said, send_marks
from components.session.faults import show_faults
from components.session.work import Work
from explain.errors import Cancelled
from explain.faithfulness.measures import MEASURES
from explain.faithfulness.unlike import Unlikeness
from explain.faithfulness.verdict import Mark as Measured
from explain.faithfulness.verdict import Verdict, Word
from explain.maps.heatmap import CLASS_AGNOSTIC

if TYPE_CHECKING:
    from explain.engine.judging import Verdicts

_STATE = "judging"
_STILL = 0.8  # seconds that a question must stand before it is judged: a slider on its way asks for nothing
_LOOK_AGAIN = 0.4
_BARS = 24

_log = logging.getLogger(__name__)

_SIGNS: dict[Word, tuple[str, str]] = {
    "blank": ("□", "open"),
    "cannot be checked": ("⊘", "open"),
    "same for other classes": ("≡", "doubt"),
    "contradicted": ("✕", "against"),
    "unsteady": ("≈", "doubt"),
    "backed": ("◆", "for"),
    "undecided": ("?", "open"),
    "one place decides": ("▣", "doubt"),
    "not measured": ("–", "open"),
}
"""A sign that does not rely on colour, and the tone it is drawn in. None of them is a seal."""


Judge = Callable[[Work[None]], Iterator[tuple[str, "Verdicts"]]]
"""Yields pictures' digests with the verdicts on their maps, again and again as more is known, in a thread of its own.
"""


@dataclass
class _Judging:
    """What is judged in a session.

    Attributes:
        key: of the question.
        judge: answers it.
        since: when it was asked, by time.monotonic.
        work: under way, once the question has stood still.
        found: by picture, the verdicts so far.
        sent: what of them the browser has.
    """

    key: str
    judge: Judge
    since: float
    work: Work[None] | None = None
    found: dict[str, Verdicts] = field(default_factory=dict)
    sent: dict[str, Verdicts] | None = None


def ask_for_verdicts(key: str, judge: Judge) -> None:
    """Have what stands on the page judged, once it has stood for a moment. Another question ends the work on the last.

    Args:
        key: of the question.
        judge: see `Judge`.
    """
    judging = st.session_state.get(_STATE)
    if judging is not None and judging.key == key:
        return
    drop_verdicts()
    st.session_state[_STATE] = _Judging(key, judge, time.monotonic())


def drop_verdicts() -> None:
    """Judge nothing any more."""
    judging = st.session_state.pop(_STATE, None)
    if judging is not None and judging.work is not None:
        judging.work.cancel.set()


@st.fragment(run_every=_LOOK_AGAIN)
@show_faults
def follow_verdicts() -> None:
    """Put verdicts under the maps as they come. A fragment of its own: neither grid nor sliders are drawn again."""
    judging = st.session_state.get(_STATE)
    if judging is None:
        return
    if judging.work is None and time.monotonic() - judging.since >= _STILL:
        judging.work = Work(lambda work: _judge(judging, work))
    found = dict(judging.found)
    if judging.sent == found:
        return
    judging.sent = found
    marks: dict[str, dict[str, Said]] = {}
    for digest, verdicts in found.items():
        marks[digest] = {key.partition("/")[0]: say_verdict(verdict) for key, verdict in verdicts.items()}
    send_marks(judging.key, marks)


def _judge(judging: _Judging, work: Work[None]) -> None:
    try:
        for digest, verdicts in judging.judge(work):
            judging.found = {**judging.found, digest: verdicts}
    except Cancelled:
        pass
    except Exception:
        _log.exception("Maps could not be judged")


def say_verdict(verdict: Verdict) -> Said:
    """A verdict in the form in which the canvas shows it."""
    missing = f"Not measured: {'; '.join(verdict.missing)}." if verdict.missing else ""
    marks = tuple(_say(mark, verdict.settled) for mark in verdict.marks)
    return Said(marks, missing, verdict.settled, CLASS_AGNOSTIC if "same for other classes" in verdict.words else "")


def _say(mark: Measured, settled: bool) -> Mark:
    if mark.word == "not measured" and not settled:
        return Mark("checking …", "…", "open", "Being measured. This takes seconds, and sliders need not wait for it.")
    sign, tone = _SIGNS[mark.word]
    if mark.measure is None or mark.value is None:
        return Mark(mark.word, sign, tone, mark.sentence)
    measure = MEASURES[mark.measure]
    lines = [f"{measure.title}: {mark.value:.2f}, {measure.better} is better. {measure.rule}"]
    bars: tuple[float, ...] = ()
    at, bound = 0.0, None
    if mark.null:
        bars, at, bound = _draw(mark.value, mark.null, mark.bound)
        bound_said = "" if mark.bound is None else f", dashed line {mark.bound:.2f}"
        lines.append(f"The bars are {measure.compared} ({len(mark.null):,}); the arrow is this map{bound_said}.")
    lines += [f"What it cannot tell: {measure.cannot}", measure.paper]
    alt = f"{measure.title} {mark.value:.2f} among {len(mark.null):,} comparison figures"
    return Mark(mark.word, sign, tone, mark.sentence, tuple(lines), bars, at, bound, alt)


def say_unlike(unlike: Unlikeness) -> Said | None:
    """The measurement behind a caution, in the same form; None where the picture is like the known ones."""
    if not unlike.unlike or unlike.value is None or unlike.bound is None:
        return None
    measure = MEASURES["unlike"]
    bars, at, bound = _draw(unlike.value, unlike.null, unlike.bound)
    lines = (
        f"{measure.title}: {unlike.value:.2f}, {measure.better} is better. {measure.rule}",
        f"The bars are {measure.compared} ({unlike.bound:.2f}); the arrow is this picture. {unlike.made}",
        f"What it cannot tell: {measure.cannot}",
        measure.paper,
    )
    alt = f"{measure.title} {unlike.value:.2f} among {len(unlike.null):,} known pictures"
    further = sum(one >= unlike.value for one in unlike.null)
    those = f"{further or 'none'} {'lie' if further > 1 else 'lies'}"
    sentence = f"Of {len(unlike.null):,} known pictures, {those} as far from the others as this one."
    return Said((Mark("measured", "≠", "doubt", sentence, lines, bars, at, bound, alt),))


def _draw(value: float, null: Sequence[float], limit: float | None) -> tuple[tuple[float, ...], float, float | None]:
    """The figures compared with as bars of heights 0…1, and where among them the own one and the limit lie, 0…1."""
    ends = [null[0], null[-1], value, *([] if limit is None else [limit])]
    low, high = min(ends), max(ends)
    span = max(high - low, 1e-9)
    counts = np.histogram(null, bins=_BARS, range=(low, low + span))[0]
    bars = tuple((counts / counts.max()).tolist())
    return bars, (value - low) / span, None if limit is None else (limit - low) / span
