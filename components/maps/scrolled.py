"""Rows of a series whose slices are explained already: their maps are at hand while a hand scrolls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from components.browser.canvas import Pane, Row
from components.maps.question import Question
from components.maps.rows import Answered
from components.maps.stack import Ask, find_current
from explain.engine.slices import SliceAnswer
from explain.maps.heatmap import find_peaks, find_strength
from explain.methods import get_method
from explain.settings import Settings


def add_answers(
    rows: Sequence[Row], question: Question, settings: Mapping[str, Settings], answered: Answered
) -> list[Row]:
    """The rows, with what is answered by now of the other slices of their series, and one scale for all of them.

    Args:
        rows: a pane a method.
        question: what is asked of the pictures.
        settings: by method.
        answered: what came of it.
    """
    targets = {entry.picture.digest: (entry.picture.section, entry.targets[0]) for entry in answered.entries}
    found = []
    for row in rows:
        section, target = targets.get(row.digest, (None, 0))
        if row.stack is not None and section is not None:
            answers = find_current(Ask(row.stack.volume, section, question, settings, target))
            if answers:
                stack = replace(row.stack, maps=partial(_find_panes, answers), ends=find_ends(answers))
                row = replace(row, stack=stack)
        found.append(row)
    return found


def _find_panes(answers: Mapping[int, SliceAnswer], index: int) -> dict[str, Pane] | None:
    return lay_out(answers.get(index))


def lay_out(answer: SliceAnswer | None) -> dict[str, Pane] | None:
    """The maps of a slice as panes, by method; None of a slice that is not explained."""
    if answer is None or answer.problem:
        return None
    peaks = find_peaks(tuple(answer.maps.values()))
    panes = {}
    for name, heatmap in answer.maps.items():
        method = get_method(name)
        panes[name] = Pane(
            name,
            method.title,
            values=heatmap.values,
            box=heatmap.box,
            alt=f"{method.title} for “{heatmap.label}”",
            painting=method.painting,
            strength=find_strength(heatmap.values, peaks[heatmap.method, heatmap.layer]),
            unit=name,
        )
    return panes


def find_ends(answers: Mapping[int, SliceAnswer]) -> dict[str, tuple[float, float]]:
    """By method, the lowest and the highest value of all its maps."""
    ends: dict[str, tuple[float, float]] = {}
    for answer in answers.values():
        for name, heatmap in answer.maps.items():
            low, high = ends.get(name, (float("inf"), float("-inf")))
            ends[name] = (min(low, float(heatmap.values.min())), max(high, float(heatmap.values.max())))
    return ends
