"""What the views of Truth share: which one is open, and what is planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import streamlit as st

from components.choices.view import pick_one_view

TruthView = Literal["shortcuts", "birds", "generated", "radiographs", "trust", "counted"]

TRUTH_VIEW = "truth-view"
TRUTH_VIEWS: dict[TruthView, str] = {
    "shortcuts": "Shortcuts",
    "birds": "Birds",
    "generated": "Real or generated",
    "radiographs": "Radiographs",
    "trust": "Which one to trust?",
    "counted": "How often",
}
SENTENCES: dict[TruthView, str] = {
    "shortcuts": "One network learnt that a mark tells the answer. Take the mark out, and see what becomes of answers, "
    "maps and verdicts.",
    "birds": "Siblings differ in one part, so that part must decide. Draw a bird as its sibling, and see how much of "
    "each map lies on it.",
    "generated": "A network tells photographs from generated pictures by their finest pixels. Those lie everywhere, so "
    "no map can show it: the test shows it, when pictures are halved and enlarged again.",
    "radiographs": "A network tells the label pneumonia better than it should, and the border alone, without lungs or "
    "heart, tells it too. Hide the border or exchange it, and see what becomes of answer, maps and verdicts.",
    "trust": "Two networks do well on their test pictures, and one of them cheats. Here are their maps.",
    "counted": "Over many pictures and trainings: how often maps show a shortcut, how often verdicts catch it, and "
    "what both miss.",
}

PLANTED = "planted"
"""Key of the session's state: whether what is planted is in the picture."""

SPECIMEN = "specimen"
"""Key of the session's state: number of the picture, from 1."""

MOST_SPECIMENS = 24

WORLD = "world"
"""Key of the session's state: name of the world in view; empty for the first."""

BORDER = "border"
"""Key of the session's state: what the border of a radiograph gives way to."""

PAIR = "sibling-pair"
"""Key of the session's state: the species of a pair of siblings that has the trait."""


def pick_view() -> TruthView:
    """Offer the views, and say what the one in view is for."""
    view = pick_one_view(TRUTH_VIEW, TRUTH_VIEWS)
    with st.container(key="truth-about"):
        st.caption(SENTENCES[view])
    return view


def pick_planted(label: str, help_text: str) -> bool:
    """Offer to take out of the picture what is planted, and to put it back. Key x presses it."""
    st.session_state.setdefault(PLANTED, True)
    return st.toggle(label, key=PLANTED, persist_state="session", help=help_text)


def pick_specimen(label: str, count: int = MOST_SPECIMENS) -> int:
    """Which picture, from 1, with a button for the next.

    Args:
        label: of the button.
        count: how many different ones there are; after the last comes the first.
    """
    number = get_specimen()
    st.button(
        label,
        key="specimen-next",
        icon=":material/arrow_forward:",
        on_click=turn_specimen,
        args=(None, 1),
        help=f"Number {(number - 1) % count + 1} of {count} is shown.",
    )
    return number


def get_specimen() -> int:
    """Number of the picture, from 1."""
    return int(st.session_state.get(SPECIMEN, 1))


def turn_specimen(number: int | None, step: int) -> None:
    """Show the picture of a number; without one a later picture, or an earlier one. After the last comes the first."""
    st.session_state[SPECIMEN] = number or (get_specimen() - 1 + step) % MOST_SPECIMENS + 1


def remember(key: str) -> Callable[[str], None]:
    """What keeps a pressed card's key in an entry of the session's state."""

    def choose(value: str) -> None:
        st.session_state[key] = value

    return choose
