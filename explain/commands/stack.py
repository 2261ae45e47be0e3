"""`show --stack`: all slices of a series, for one class and with one scale."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from explain.commands.progress_lines import say_progress
from explain.engine.explanation import Explanation
from explain.engine.slices import SliceAnswer, follow_maps
from explain.errors import ExplainError
from explain.methods import get_method
from explain.percent import write_percent
from explain.pictures.picture import Picture
from explain.report.export import Report
from explain.report.stack_table import encode_stack
from explain.storage import refusing_to_write
from explain.volumes.planes import Plane
from explain.volumes.volume import Volume

TABLE = "stack.csv"


@dataclass(frozen=True, eq=False)
class WholeStack:
    """The stack that is shown, and how.

    Attributes:
        volume: the series.
        plane: in which plane.
        window: see `Volume.slice`.
        first: the slice whose likeliest class is explained where none was named, from 0.
        signed: whether what is below zero is shown too.
    """

    volume: Volume
    plane: Plane
    window: str | None
    first: int
    signed: bool = False

    @property
    def count(self) -> int:
        """How many slices there are, missing ones too."""
        return self.volume.count(self.plane)

    def draw(self, index: int) -> Picture:
        """A slice as a picture."""
        return self.volume.slice(index, self.plane, self.window)


def show_stack(
    stack: WholeStack,
    answers: Iterator[SliceAnswer],
    tell: Callable[[Picture, SliceAnswer], Explanation],
    report: Report,
) -> tuple[list[SliceAnswer], list[str]]:
    """Explain the slices, write each with its maps and the table, and print what there is along the stack. Stopped by
    Ctrl+C, what was answered until then is written.

    Args:
        stack: what is shown.
        answers: of its slices, as they come.
        tell: makes one of them the answer to a picture.
        report: where to.

    Returns:
        What was answered, and why slices were left out, in sentences.

    Raises:
        ExplainError: none could be explained.
    """
    found: list[SliceAnswer] = []
    wanted = stack.volume.list_there(stack.plane)
    with suppress(KeyboardInterrupt):
        for answer in answers:
            found.append(answer)
            say_progress(len(found) / len(wanted), _describe(answer))
    there = sorted((answer for answer in found if not answer.problem), key=lambda answer: answer.index)
    left_out = [f"Slice {answer.index + 1}: {answer.problem}" for answer in found if answer.problem]
    if not there:
        raise ExplainError(left_out[0] if left_out else "Stopped before a slice was explained.")
    courses = {name: course for name in there[0].maps if (course := follow_maps(there, name)) is not None}
    scales = {name: course.find_range(stack.signed) for name, course in courses.items()}
    for answer in there:
        report.add(tell(stack.draw(answer.index), answer), scales=scales)
    missing = sorted(set(range(stack.count)) - set(wanted))
    _write(report.folder, encode_stack(found, stack.count, missing))
    print(f"\n{len(there)} of {stack.count} slices explained for “{there[0].label}”, with one scale for all of them.")
    if missing:
        print(f"  {len(missing)} not in the series")
    for caution in dict.fromkeys(answer.caution for answer in there if answer.caution):
        print(f"  Caution: {caution}")
    for name, course in courses.items():
        strongest = max(course.strengths, key=lambda at: course.strengths[at])
        said = [f"{len(some)} {word}" for word, some in (("blank", course.blank), ("faint", course.faint)) if some]
        print(f"  {get_method(name).title:<12} strongest on slice {strongest + 1}", *said, sep=", ")
    for name, reason in there[0].unavailable.items():
        print(f"  {get_method(name).title:<12} not available: {reason}")
    if len(found) < len(wanted):
        left_out.append(f"Stopped: {len(wanted) - len(found)} slices were not explained.")
        print(left_out[-1], file=sys.stderr)
    return found, left_out


def _describe(answer: SliceAnswer) -> str:
    if answer.problem:
        return f"Slice {answer.index + 1}: {answer.problem}"
    share = "" if answer.probability is None else f" {write_percent(answer.probability, 1)}"
    best = answer.predictions[0]
    return f"Slice {answer.index + 1}: {answer.label}{share}" + (
        "" if best.index == answer.target else f", likeliest {best.describe(1)}"
    )


def _write(folder: Path, table: bytes) -> None:
    with refusing_to_write(folder):
        (folder / TABLE).write_bytes(table)
