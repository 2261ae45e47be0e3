"""What was answered along a stack, as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from explain.engine.slices import SliceAnswer, follow_maps

MISSING = "not in the series"


def encode_stack(answers: Sequence[SliceAnswer], count: int, missing: Sequence[int] = ()) -> bytes:
    """A line a slice, as CSV in UTF-8, in the order of the stack. What is not known is left empty.

    For each method two columns: its map's strength as a share of the strongest slice's, and `blank` or `faint` where
    it shows nothing, or nearly nothing beside the stack; see `explain.engine.slices.Course`.

    Args:
        answers: of the slices explained, in any order.
        count: how many slices the plane has, missing ones too.
        missing: which of them are not in the series, from 0.
    """
    by_index = {answer.index: answer for answer in answers}
    methods = list(dict.fromkeys(name for answer in answers for name in answer.maps))
    courses = {name: course for name in methods if (course := follow_maps(answers, name)) is not None}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [f"{name} {what}" for name in courses for what in ("strength", "flag")]
    writer.writerow(["slice", "class", "probability", "score", "likeliest", "note", *columns])
    for at in range(count):
        answer = by_index.get(at)
        if answer is None:
            writer.writerow([at + 1, "", "", "", "", MISSING if at in missing else "", *[""] * len(columns)])
            continue
        flags = []
        for course in courses.values():
            flag = "blank" if at in course.blank else "faint" if at in course.faint else ""
            flags += [_write(course.strengths.get(at)), flag]
        best = answer.predictions[0].label if answer.predictions else ""
        figures = [_write(answer.probability), _write(answer.score)]
        writer.writerow([at + 1, answer.label, *figures, best, answer.problem or answer.caution, *flags])
    return text.getvalue().encode()


def _write(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
