"""How the methods of a run compare over many pictures: figures with intervals, and which cannot be told apart.

All maps are compared on the same pictures: one where any has no figure is left out for all, and it is said why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explain.collections.bootstrap import COVER, DRAWS, ERROR, Estimate, Statistic, adjust_chances, find_chance, redraw
from explain.collections.gathered import Gathered
from explain.collections.measured import read_measured
from explain.collections.measuring_question import (
    CENTRE,
    ENERGY,
    POINTING,
    RANDOM,
    MeasureQuestion,
    Sample,
    name_measure,
    title_row,
)
from explain.collections.tables import name_column
from explain.errors import ExplainError
from explain.faithfulness.measures import MEASURES, Better
from explain.methods import get_method
from explain.percent import write_percent

BEST = "best"
"""In place of a method: differences are to the one that is best by the measure."""

FEWEST = 2
"""Pictures that can be drawn from."""

VERDICT = "verdict: "
"""How the name of a measure begins that counts a word of verdicts."""

_REGION_MEASURES: Mapping[str, tuple[str, Better]] = {
    POINTING: ("Pointing game", "higher"),
    ENERGY: ("Energy inside", "higher"),
}
_VERDICT_BETTER: Mapping[str, Better] = {"backed": "higher", "contradicted": "lower"}


@dataclass(frozen=True)
class Line:
    """One method by one measure.

    Attributes:
        row: the method, or what means nothing.
        title: as people read it.
        is_method: whether it is a method.
        estimate: the figure over pictures.
        median: of the pictures, whatever the figure is.
        difference: how much higher the figure is than that of the method it is held against, on the same pictures; None
            of that one itself.
        chance: of a difference as large where there is none, over all comparisons of the measure; None as before.
    """

    row: str
    title: str
    is_method: bool
    estimate: Estimate
    median: float
    difference: Estimate | None = None
    chance: float | None = None

    @property
    def is_apart(self) -> bool | None:
        """Whether it can be told apart from what it is held against; None of that one itself."""
        return None if self.chance is None else self.chance <= ERROR


@dataclass(frozen=True)
class MeasureTable:
    """All methods by one measure.

    Attributes:
        measure: its name.
        title: as people read it.
        better: which way is better.
        statistic: what of the pictures' figures is told; of shares of pictures always the mean.
        count: pictures that all figures are of.
        excluded: why others were left out, and how many.
        against: the row that all are held against.
        lines: the methods in the order of the run, then what means nothing.
    """

    measure: str
    title: str
    better: Better
    statistic: Statistic
    count: int
    excluded: Mapping[str, int]
    against: str
    lines: tuple[Line, ...]

    @property
    def sentence(self) -> str:
        """What can be told apart, and what cannot."""
        name = title_row(self.against)
        others = [line for line in self.lines if line.row != self.against]
        alike = [line.title for line in others if not line.is_apart]
        worse = [line.title for line in others if line.is_apart and not self.is_better(line)]
        better = [line.title for line in others if line.is_apart and self.is_better(line)]
        said = []
        if self.better == "neither":
            worse, better = [*worse, *better], []
        if worse:
            said.append(f"{name} {'differs from' if self.better == 'neither' else 'is better than'} {join(worse)}")
        if better:
            said.append(f"{name} is worse than {join(better)}")
        if alike:
            said.append(f"{name} cannot be told apart from {join(alike)}")
        return f"{self.title}: " + "; ".join(said) + "."

    def is_better(self, line: Line) -> bool:
        """Whether a line's figure is better than that of what it is held against."""
        assert line.difference is not None
        return (line.difference.value > 0) == (self.better == "higher")


@dataclass(frozen=True)
class Comparison:
    """How the methods of a run compare.

    Attributes:
        tables: by measure.
        sample: which pictures, in a sentence.
        notes: how figures were found, in sentences.
        statistic: what of the pictures' figures is told, but of shares of pictures.
        seed: of the bootstrap's draws.
        model: the run's model.
        layer: its layer.
        tolerance: pixels by which a map may point beside a region.
    """

    tables: tuple[MeasureTable, ...]
    sample: str
    notes: tuple[str, ...]
    statistic: Statistic
    seed: int
    model: str
    layer: str
    tolerance: float = 0.0


def compare(
    run: Gathered,
    sample: Sample,
    questions: Sequence[MeasureQuestion],
    against: str = BEST,
    statistic: Statistic = "mean",
    grouped: bool = False,
) -> Comparison:
    """Compare methods by what is written of a sample.

    Args:
        run: the run.
        sample: the pictures.
        questions: what was measured.
        against: the method that all are held against, or `best`.
        statistic: of the pictures' figures.
        grouped: pictures of one group, such as a patient, are drawn together.

    Raises:
        ExplainError: there is no such method, no group, or too little is measured.
    """
    methods = run.manifest.question.methods
    if against != BEST and against not in methods:
        raise ExplainError(f"This run has no maps of “{against}”. Choose of: {BEST}, {', '.join(methods)}.")
    groups = _find_groups(run, sample) if grouped else None
    how = _How(against, statistic, sample.seed, groups)
    tables = []
    for measured in [*(_read(run, sample, question) for question in questions), _read_verdicts(run, sample)]:
        for name, (values, rows, reasons) in measured.items():
            table = _compare(name, values, rows, reasons, how)
            if table is not None:
                tables.append(table)
    if not tables:
        raise ExplainError("Too little is measured to compare methods: at least two pictures need figures.")
    return Comparison(
        tuple(tables),
        sample.sentence,
        _list_notes(statistic, sample.seed, against, None if groups is None else len(np.unique(groups)), questions),
        statistic,
        sample.seed,
        run.manifest.model.name,
        run.manifest.question.layer,
        max((question.tolerance for question in questions), default=0.0),
    )


_Values = dict[str, tuple[np.ndarray, tuple[str, ...], list[str]]]
"""By measure: figures `(n, rows)`, NaN where there is none; the rows; and why a picture has none, empty if it has."""


def _read(run: Gathered, sample: Sample, question: MeasureQuestion) -> _Values:
    """What is written of the sample's pictures."""
    table = read_measured(run.folder, question)
    places = pc.index_in(pa.array(sample.ids, pa.string()), value_set=table["id"].combine_chunks())
    table = table.take(pc.drop_null(places))
    missing = len(sample.ids) - len(table)
    reasons = [text or "" for text in table["error"].to_pylist()] + ["It is not measured yet."] * missing
    found: _Values = {}
    for measure in question.measures:
        columns = [table[name_measure(row, measure)].to_numpy().astype(float) for row in question.rows]
        values = np.concatenate([np.stack(columns, axis=1), np.full((missing, len(columns)), np.nan)])
        found[measure] = values, question.rows, reasons
    # Rows of the sample in its order, so that groups can be laid beside them.
    order = np.argsort(np.concatenate([np.flatnonzero(pc.is_valid(places)), np.flatnonzero(pc.is_null(places))]))
    return {name: (values[order], rows, [why[place] for place in order]) for name, (values, rows, why) in found.items()}


def _read_verdicts(run: Gathered, sample: Sample) -> _Values:
    """For each word of verdicts that occurs, whether it is said of each map."""
    asked = run.manifest.question
    if not asked.verdicts:
        return {}
    words = np.array([run.texts(name_column(method, "verdict"), sample.rows) for method in asked.methods]).T
    known = (words != "").all(1)
    reasons = ["" if one else "A map of it has no verdict." for one in known]
    found: _Values = {}
    for word in sorted(set(words[known].ravel().tolist())):
        values = np.where(known[:, None], (words == word).astype(float), np.nan)
        found[f"{VERDICT}{word}"] = values, asked.methods, reasons
    return found


def _find_groups(run: Gathered, sample: Sample) -> np.ndarray:
    codes: np.ndarray = run.codes("group")[0][sample.rows]
    if not (codes >= 0).all():
        raise ExplainError(
            "Not all of these pictures belong to a group. Collect them with --classes FILE that names a group for each."
        )
    return codes


@dataclass(frozen=True, eq=False)
class _How:
    """How figures are compared; see `compare`. `groups` says to which each picture of the sample belongs."""

    against: str
    statistic: Statistic
    seed: int
    groups: np.ndarray | None


def _compare(
    name: str, values: np.ndarray, rows: tuple[str, ...], reasons: Sequence[str], how: _How
) -> MeasureTable | None:
    """All rows by one measure; None where too few pictures have figures."""
    whole = np.isfinite(values).all(1)
    if whole.sum() < FEWEST:
        return None
    excluded = Counter(
        reason or _find_reason(rows, one) for reason, one, kept in zip(reasons, values, whole, strict=True) if not kept
    )
    kept, title, better = values[whole], *describe_measure(name)
    groups = None if how.groups is None else how.groups[whole]
    statistic = "mean" if name == POINTING or name.startswith(VERDICT) else how.statistic
    drawn = redraw(kept, statistic, how.seed, groups)
    methods = [number for number, row in enumerate(rows) if row not in (CENTRE, RANDOM)]
    ahead = max(methods, key=lambda number: drawn[0, number] * (-1 if better == "lower" else 1))
    first = ahead if how.against == BEST else rows.index(how.against)
    # The difference is found on each picture: for medians that of the differences, not the difference of medians.
    apart = redraw(kept - kept[:, [first]], statistic, how.seed, groups)
    others = [number for number in range(len(rows)) if number != first]
    chances = dict(zip(others, adjust_chances([find_chance(apart[:, number]) for number in others]), strict=True))
    lines = tuple(
        Line(
            row,
            title_row(row),
            number in methods,
            Estimate.of(drawn[:, number]),
            float(np.median(kept[:, number])),
            Estimate.of(apart[:, number]) if number in chances else None,
            chances.get(number),
        )
        for number, row in enumerate(rows)
    )
    return MeasureTable(
        name, title, better, statistic, int(whole.sum()), dict(excluded.most_common()), rows[first], lines
    )


def _find_reason(rows: Sequence[str], values: np.ndarray) -> str:
    """Why a picture that was measured has not all figures."""
    blank = [title_row(row) for row, value in zip(rows, values, strict=True) if not np.isfinite(value)]
    return f"There is nothing on the map by {join(blank)}."


def describe_measure(name: str) -> tuple[str, Better]:
    """A measure's title, and which way is better."""
    if name.startswith(VERDICT):
        word = name.removeprefix(VERDICT)
        return f"Verdict “{word}”", _VERDICT_BETTER.get(word, "neither")
    if name in _REGION_MEASURES:
        return _REGION_MEASURES[name]
    return MEASURES[name].title, MEASURES[name].better


def describe_rule(name: str, tolerance: float = 0.0) -> str:
    """What a measure counts, in a sentence or two, and where it comes from."""
    if name.startswith(VERDICT):
        return "The share of maps of which the verdict's gravest word is this one."
    if name == POINTING:
        beside = f", or at most {tolerance:g} pixels beside it" if tolerance else ""
        return (
            f"The share of pictures in which the map is highest inside the region{beside}; “Random” is a point "
            "anywhere in what the model saw (Zhang et al., Top-down Neural Attention by Excitation Backprop, 2018, "
            "arXiv 1608.00507)."
        )
    if name == ENERGY:
        return (
            "The share of the map's part above zero that lies inside the region; “Random” is the region's own share of "
            "what the model saw (Wang et al., Score-CAM, CVPR Workshops 2020, arXiv 1910.01279)."
        )
    measure = MEASURES[name]
    return f"{measure.rule} ({measure.paper}.)"


def _list_notes(
    statistic: Statistic, seed: int, against: str, groups: int | None, questions: Sequence[MeasureQuestion]
) -> tuple[str, ...]:
    drawn = "pictures" if groups is None else f"whole groups (of {groups:,})"
    held = "the best method, found on these very pictures" if against == BEST else get_method(against).title
    notes = [
        f"Intervals hold {write_percent(COVER)}: {drawn} are drawn anew {DRAWS:,} times, seed {seed}, for all methods "
        f"together (paired bootstrap of the {statistic}, percentiles).",
        f"Differences are to {held}. Two are told apart where a difference as large has a chance "
        f"of at most {write_percent(ERROR)}, over all comparisons of a measure (Holm).",
        "A picture where any map has no figure is left out for all.",
    ]
    if any(not question.marked for question in questions):
        notes.append(
            "Hidden are cells of an 8 × 8 grid. “Centre” and “Random” (the mean of a smooth map of chance and its "
            "opposite) mean nothing: what does not beat them says nothing of a method."
        )
    if any(question.by_class for question in questions):
        notes.append("Of each picture, regions count that are called like the explained class.")
    return tuple(notes)


def join(names: Sequence[str]) -> str:
    """Names as a sentence lists them: `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
