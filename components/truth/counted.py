"""How often maps show a shortcut and verdicts catch it, as a table: what the benchmark wrote, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from explain.methods import get_method
from explain.percent import write_percent
from explain.worlds.marks import MARKS
from explain.worlds.shortcuts import Figure, Shortcuts

IGNORED = "No mark relied on"
"""What the lines are called that are of networks which ignore the marks: there, to be caught is a false alarm."""

_HEADINGS = (
    "Planted",
    "Method",
    "Map highest on it",
    "Verdict: one place decides",
    "95 % interval",
    "with networks drawn anew",
    "Pictures",
    "Networks",
)


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes:
        planted: the mark's title, or `IGNORED`.
        placed: whether the mark lies at a place, so that a map could be highest on it.
        method: name of the method.
        figure: what was counted.
    """

    planted: str
    placed: bool
    method: str
    figure: Figure

    @property
    def limits(self) -> tuple[float, float]:
        """The wider of both intervals of the verdict's share, 0…1."""
        lows, highs = zip(self.figure.interval, self.figure.interval_networks, strict=True)
        return min(lows), max(highs)


def list_lines(table: Shortcuts) -> list[Line]:
    """A line for each mark and method, as the benchmark has them, and last the false alarms, in all and by kind."""
    lines = [
        Line(MARKS[row.mark].title, MARKS[row.mark].placed, method, figure)
        for row in table.caught
        for method, figure in row.methods.items()
    ]
    alarms = {IGNORED: table.false_alarms}
    alarms |= {f"{IGNORED}, {kind}": figures for kind, figures in table.false_alarms_of.items()}
    return lines + [
        Line(title, False, method, one) for title, figures in alarms.items() for method, one in figures.items()
    ]


def write_table(lines: Sequence[Line]) -> str:
    """The lines as a table of Markdown, which is read out cell by cell."""
    written = [_HEADINGS, ("---",) * 2 + ("---:",) * (len(_HEADINGS) - 2)]
    before = ""
    for line in lines:
        figure = line.figure
        written.append(
            (
                line.planted if line.planted != before else "",
                get_method(line.method).title,
                write_percent(figure.peaks, 1) if line.placed else "–",
                write_percent(figure.share, 1),
                _say_limits(figure.interval),
                _say_limits(figure.interval_networks),
                f"{figure.pictures:,}",
                f"{figure.networks}",
            )
        )
        before = line.planted
    return "\n".join(f"| {' | '.join(cells)} |" for cells in written)


def describe_making(table: Shortcuts) -> str:
    """How the table was made, and what was left out."""
    left_out = len(table.not_relying)
    out = (
        f" {left_out} trained {'network was' if left_out == 1 else 'networks were'} left out: their mark turns fewer "
        "than 80 % of other pictures, so that they do not rely on it."
        if left_out
        else ""
    )
    return (
        f"Measured by `{table.made_by}` on networks of {len(table.seeds)} trainings a mark, none of which set a "
        f"threshold.{out} Pictures of one network are no independent witnesses: hence the second interval. That the "
        "opacity of a drawn radiograph decides is no false alarm, and not counted as one. The places tried are the "
        "same for all maps of a picture, and so is what is said."
    )


def _say_limits(limits: tuple[float, float]) -> str:
    low, high = limits
    return f"{100 * low:.1f}–{100 * high:.1f} %"
