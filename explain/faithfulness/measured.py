"""What was measured of the maps of one picture, beside maps of no meaning: figures, curves, and which map is best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from explain.faithfulness.best import Best
from explain.faithfulness.changes import Changes
from explain.faithfulness.measures import MEASURES, Examined, Figures, Measure

Kind = Literal["map", "baseline"]


@dataclass(frozen=True, eq=False)
class Row:
    """A map, or several of no meaning taken together.

    Attributes:
        name: the map's key (see `Heatmap.key`), or the baseline's name.
        title: as people read it.
        kind: whether it is a map that was asked for.
        figures: by measure; NaN where one could not be had. Of several maps, their mean.
        count: how many maps.
    """

    name: str
    title: str
    kind: Kind
    figures: Figures
    count: int = 1


@dataclass(frozen=True, eq=False)
class Curve:
    """How the score of the class goes as the picture is hidden or shown.

    Attributes:
        row: name of the row.
        title: of the row.
        kind: of the row.
        measure: whose curve it is.
        shares: how much is hidden, or shown where the measure says so, rising, `(n,)`.
        scores: the probability of the class, or the score of a value; of several maps their mean, `(n,)`.
        low: of several maps the lowest at each place, `(n,)`; else as `scores`.
        high: the highest.
    """

    row: str
    title: str
    kind: Kind
    measure: str
    shares: np.ndarray
    scores: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of one picture's maps.

    Attributes:
        label: name of the explained class.
        whole: its probability in the picture as it is, or the score of a value.
        rows: the maps in the order asked, then the baselines.
        curves: of the measures that have one.
        best: which map is best on this picture, if one is.
        notes: what must be known to read it, in sentences.
        unavailable: by method, why it has no map.
    """

    label: str
    whole: float
    rows: Sequence[Row]
    curves: Sequence[Curve]
    best: Best
    notes: tuple[str, ...]
    unavailable: dict[str, str]

    def list_curves(self, measure: str) -> list[Curve]:
        """The curves of one measure."""
        return [curve for curve in self.curves if curve.measure == measure]


CURVES = ("deletion", "insertion")
"""The measures whose curves are kept."""


def list_asked(tested: Sequence[Examined], measures: Sequence[Measure]) -> list[Changes]:
    """All changed pictures that some measures need for some maps, again where several need the same."""
    return [
        changes for one in tested for measure in measures if measure.can_measure(one) for changes in measure.asks(one)
    ]


def measure_row(
    name: str, title: str, kind: Kind, group: Sequence[tuple[Examined, Sequence[Measure]]], scores: dict[str, float]
) -> tuple[Row, list[Curve]]:
    """The figures and curves of a map, or of several taken together.

    Args:
        name: see `Row`.
        title: see `Row`.
        kind: see `Row`.
        group: the maps, each with the measures that suit it.
        scores: by key of a change, what the class scores there.
    """
    figures = {measure: float("nan") for measure in MEASURES}
    found: dict[str, list[float]] = {}
    drawn: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for tested, measures in group:
        for measure in measures:
            if not measure.can_measure(tested):
                continue
            asked = measure.asks(tested)
            answers = [np.array([scores[key] for key in changes.keys]) for changes in asked]
            found.setdefault(measure.name, []).append(float(measure.function(tested, *answers)))
            if measure.name in CURVES:
                drawn.setdefault(measure.name, []).append((asked[0].shares, answers[0]))
    figures |= {measure: float(np.mean(values)) for measure, values in found.items()}
    curves = [_draw(name, title, kind, measure, lines) for measure, lines in drawn.items()]
    return Row(name, title, kind, figures, len(group)), curves


def _draw(name: str, title: str, kind: Kind, measure: str, lines: Sequence[tuple[np.ndarray, np.ndarray]]) -> Curve:
    shares, scores = lines[0][0], np.stack([line[1] for line in lines])
    if MEASURES[measure].share_shown:
        shares, scores = (1 - shares)[::-1], scores[:, ::-1]
    return Curve(name, title, kind, measure, shares, scores.mean(0), scores.min(0), scores.max(0))
