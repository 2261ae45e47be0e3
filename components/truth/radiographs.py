"""Chest radiographs with their own border, without one or with that of another; and what a network makes of many."""

from __future__ import annotations

from functools import lru_cache

import streamlit as st

from components.choices.dropdown import dropdown
from components.truth.specimen import Specimen
from components.truth.views import BORDER
from explain.methods import get_method
from explain.percent import write_percent
from explain.worlds.radiographs import Border, Estimate, Leanings, fill, find_giver, frame, list_radiographs

BORDERS: dict[Border, str] = {
    "hidden": "else hidden, filled with the mean",
    "pneumonia": "else that of one labelled pneumonia",
    "no finding": "else that of one without a finding",
}
FIRST_BORDER: Border = "hidden"

_SHOWN = {
    "as it is": "The whole radiograph",
    "hidden: border, a seventh of the side": "Border hidden",
    "hidden: middle, all but the border": "Middle hidden: the border alone",
    "the view alone (PA: pneumonia)": "Nothing but the view, AP or PA",
}
_MATCHED = {
    "as it is": "matched by view",
    "hidden: border, a seventh of the side": "hidden, matched by view: border, a seventh of the side",
    "hidden: middle, all but the border": "hidden, matched by view: middle, all but the border",
}
"""By what was shown, the same of pairs of one view."""

_PASTED = "border, a seventh of the side"


def pick_border() -> Border:
    """Offer what the border gives way to where a picture is shown without its own."""
    chosen: Border = st.session_state.get(BORDER, FIRST_BORDER)

    def choose(border: Border) -> None:
        st.session_state[BORDER] = border

    dropdown(
        "In place of its own border",
        [*BORDERS],
        chosen,
        "border-widget",
        choose,
        format_func=BORDERS.__getitem__,
        label_visibility="collapsed",
        filter_mode=None,
        width=320,
    )
    return chosen


@lru_cache(maxsize=64)
def pick_radiograph(number: int, own: bool, border: Border) -> Specimen:
    """A radiograph with its own border or without.

    Args:
        number: of the picture, from 1; after the last comes the first.
        own: whether its border is its own.
        border: what it gives way to otherwise.
    """
    radiographs = list_radiographs()
    at = (number - 1) % len(radiographs)
    whole, described = radiographs[at]
    region = frame(whole.size)
    changed = fill(whole, region, find_giver(at, border))
    shown, other = (whole, changed) if own else (changed, whole)
    told = f"Labelled: {described.label}. View: {described.view}."
    return Specimen(shown, described.label, "the border", region, other, told)


def write_areas(leanings: Leanings) -> str:
    """How well both labels are told apart by what is shown, as a table of Markdown, which is read out cell by cell."""
    lines = [("Shown", "Area under the curve", "Of pairs of the same view"), ("---", "---:", "---:")]
    for name, title in _SHOWN.items():
        matched = _MATCHED.get(name)
        same = "0.5" if matched is None else _say(leanings.areas[matched])
        lines.append((title, _say(leanings.areas[name]), same))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def describe_leanings(leanings: Leanings) -> list[str]:
    """What else was measured: the view, pasted borders, and where maps point. A sentence or two each."""
    pasted = leanings.carried[_PASTED]
    ap, pa = leanings.areas["AP only"], leanings.areas["PA only"]
    return [
        f"**The view is not the reason**: within AP the area is {_say(ap)}, within PA {_say(pa)}.",
        "**A pasted border carries the answer**: of radiographs without a finding "
        f"{write_percent(leanings.plain)} are called pneumonia as they are, "
        f"{write_percent(pasted.called['no finding'])} with the border of another one without a finding, and "
        f"{write_percent(pasted.called['pneumonia'])} with that of one labelled pneumonia.",
        f"**Maps do not find what radiologists boxed**: {_say_pointing(leanings)}.",
    ]


def describe_making(leanings: Leanings) -> str:
    """How that was measured."""
    return (
        f"Measured on {leanings.pictures:,} held-out radiographs of {leanings.patients:,} patients by "
        "`python -m benchmarks.scan_models chest-xray`; in brackets 95 % intervals, for which patients are drawn anew. "
        f"{write_percent(leanings.right.value, 1)} are named as they were labelled, by a program that read reports. "
        "The border is a seventh of the side wide, half of the picture. What is hidden or pasted is new to the "
        "network, so figures of parts may be too low."
    )


def _say_pointing(leanings: Leanings) -> str:
    pointing = dict(leanings.pointing)
    chance, centre = pointing.pop("chance"), pointing.pop("centre")
    said = ", ".join(f"{get_method(name).title} {write_percent(one.hit)}" for name, one in pointing.items())
    return (
        f"the highest cell lies in the box for {said}; for any place {write_percent(chance.hit)}, for the picture's "
        f"centre {write_percent(centre.hit)} ({centre.pictures} radiographs)"
    )


def _say(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f}–{estimate.high:.3f})"
