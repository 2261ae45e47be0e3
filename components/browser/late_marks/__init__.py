"""Marks that come after the maps they are about: measured while a person looks, and put under the maps in the browser.

A component without a face hands them to the canvas, so that the grid itself need not be drawn again. They bear the
question that they answer, and the canvas shows none that answer another one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

_mount = st.components.v2.component(
    "camscope_late_marks", js=Path(__file__).with_name("late_marks.js").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Mark:
    """One thing that is said of a map, as a short mark that opens a card.

    Attributes:
        word: in short.
        sign: one character, so that nothing rests on colour.
        tone: `for`, `against`, `doubt` or `open`: how it is coloured.
        sentence: what it means.
        lines: what else stands on the card.
        bars: heights of a plot, 0…1, of the figures that the map's own is compared with; none for no plot.
        at: where among them the map's own lies, 0…1 from left to right.
        bound: where the one lies that decides; None for none.
        alt: what the plot shows, in words.
    """

    word: str
    sign: str
    tone: str
    sentence: str
    lines: tuple[str, ...] = ()
    bars: tuple[float, ...] = ()
    at: float = 0.0
    bound: float | None = None
    alt: str = ""


@dataclass(frozen=True)
class Said:
    """What is said of a map: marks, the gravest first, what was not measured, whether that is all, and the warning
    under the map that they say as well.
    """

    marks: tuple[Mark, ...]
    missing: str = ""
    settled: bool = True
    instead: str = ""


def send_marks(
    question: str, marks: Mapping[str, Mapping[str, Said]], waiting: bool, sentences: Mapping[str, str] | None = None
) -> None:
    """Hand marks to the canvas. It keeps them until others come for the same question, or another question does.

    The browser asks for more, by running the fragment that this is called in, as long as there are more to come, and
    once the canvas shows another question.

    Args:
        question: as the canvas was given it.
        marks: by the key of a row and that of a pane.
        waiting: whether more are to come.
        sentences: by the key of a row, the sentence below it in place of the one that came with the maps.
    """
    described = {row: {pane: asdict(said) for pane, said in panes.items()} for row, panes in marks.items()}
    # The browser is told only of what differs from what it has, and would ask no more where nothing new was found.
    turn = time.monotonic() if waiting else 0.0
    data = {
        "question": question,
        "marks": described,
        "sentences": dict(sentences or {}),
        "waiting": waiting,
        "turn": turn,
    }
    _mount(key="late-marks", data=data, height=1, on_look_change=_run_again)


def _run_again() -> None:
    """That the browser asks is enough for the fragment to run."""
