"""The verdict on a map: one to three marks in plain words, each with the measurement it rests on.

A verdict says what was measured of this map, this picture and this model. It never says that the model is right, that a
finding is there, or that nothing is where nothing is marked. What was not measured is said to be not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from explain.faithfulness.hiding import Hiding
from explain.faithfulness.likeness import LIKE
from explain.faithfulness.measures import MeasureName
from explain.faithfulness.transplant import ENOUGH, Transplant
from explain.methods.occlusion import Fill

Word = Literal[
    "blank",
    "cannot be checked",
    "same for other classes",
    "contradicted",
    "unsteady",
    "backed",
    "undecided",
    "one place decides",
    "not measured",
]
"""In the order of what is said first. Silence is not approval: `not measured` is a word as well."""

SIGNS: dict[Word, str] = {
    "blank": "□",
    "cannot be checked": "∅",
    "same for other classes": "≡",
    "contradicted": "✕",
    "unsteady": "≈",
    "backed": "◆",
    "undecided": "?",
    "one place decides": "▣",
    "not measured": "–",
}
"""A character for each, so that nothing rests on colour. None of them is a seal."""

CHANCE_MOVED = 0.04
"""The most a p-value may be where a map counts as backed, among its own moved copies."""

CHANCE_OTHERS = 0.05
"""The same among maps of other pictures. A map must pass both tests, so that one that is no better than either kind of
comparison map passes no more often than that test alone lets it (Berger 1982, doi 10.1080/00401706.1982.10487790).
"""

CHANCE_WORSE = 0.05
"""The same among its moved copies for a map that counts as contradicted."""

FEWEST_OTHERS = 39
"""Maps of other pictures that a p-value can be had of; with fewer only moved copies count, and that is said."""

VERDICT_RULES = 3
"""Which rules these are; figures found by others cannot be compared. By the first, grey alone decided, by the score
itself, at a second and a third look of half the chance each. By the second, the places that were pasted into other
pictures were the hottest of each map.
"""

STILL_NAMED = 0.5
"""With everything hidden, the share of its probability above which a class is named without the picture."""

ALIKE = 0.9
"""How alike maps of two classes must be at least to count as the same, however alike strangers are."""

MARKED = 0.25
"""The share of a place that must be among the hottest cells of a map, for the map to mark it."""

MOST_SAID = 3
"""Marks that are said of one map."""

MOST_CHANGED = 3
"""Of the copies, those that may change the answer before steadiness cannot be told."""


@dataclass(frozen=True)
class Mark:
    """One thing that is said of a map.

    Attributes:
        word: in short.
        sentence: what it means, for someone who knows neither the measure nor the network.
        measure: by which measure, of `MEASURES`; None where nothing was measured.
        value: the figure; None where there is none.
        null: the figures of what it is compared with, lowest first.
        bound: which value of those decides; None where none does.
        count: masks, copies or maps that it rests on.
    """

    word: Word
    sentence: str
    measure: MeasureName | None = None
    value: float | None = None
    null: tuple[float, ...] = field(default=(), repr=False)
    bound: float | None = None
    count: int = 0


@dataclass(frozen=True)
class Verdict:
    """What is said of one map.

    Attributes:
        marks: all that were found, one to four, the gravest first; that one place decides is never said alone.
        missing: what was not measured, each as the end of a sentence.
        settled: no further look would change it; False for one that is only so far.
    """

    marks: tuple[Mark, ...]
    missing: tuple[str, ...] = ()
    settled: bool = True

    @property
    def said(self) -> tuple[Mark, ...]:
        """Those that are said under the map, `MOST_SAID` at most."""
        if len(self.marks) <= MOST_SAID:
            return self.marks
        # Of four one is always this, and a possible shortcut is graver than details that change.
        return tuple(mark for mark in self.marks if mark.word != "unsteady")[:MOST_SAID]

    @property
    def unsaid(self) -> tuple[Mark, ...]:
        """Those that stand on the cards of the others alone."""
        return tuple(mark for mark in self.marks if mark not in self.said)

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all marks."""
        return tuple(mark.word for mark in self.marks)

    @property
    def line(self) -> str:
        """What is said, the words with their signs in one line, e.g. `◆ backed`."""
        return "   ".join(f"{SIGNS[mark.word]} {mark.word}" for mark in self.said)


@dataclass(frozen=True, eq=False)
class Hidden:
    """One way of hiding, tried on a map.

    Attributes:
        fill: what stood in for what was hidden.
        hiding: the measurement.
        kept: with everything hidden, what is left of the probability of the class, as a share; None for a value.
    """

    fill: Fill
    hiding: Hiding
    kept: float | None

    @property
    def can_judge(self) -> bool:
        """Whether hiding the picture takes the class away, and some masks move its score."""
        return np.isfinite(self.hiding.value) and (self.kept is None or self.kept < STILL_NAMED)


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that is known of one map when it is judged.

    Attributes:
        label: name of the explained class.
        blank: the map has nothing above zero, is not finite, or is the same everywhere.
        class_agnostic: its method does not look at the class.
        hidden: the ways of hiding that were tried; none where it was not tried.
        no_parts: why the picture has no parts to hide, as the beginning of a sentence; empty where it has.
        together: what those of them say together that can judge; left out, the first of these decides.
        rivals: names of the classes it was compared with: the likeliest other one, and the least likely.
        rival_likenesses: how alike the map is to that of each, -1…1; NaN for a blank one.
        strangers: how alike maps of different pictures are, see `find_likenesses_of_strangers`.
        steadiness: median likeness with the copies that keep the answer; None where not measured.
        copies: how many kept it, and how many were made.
        transplants: what places of the picture do to other pictures; none where not tried.
        hottest: the numbers of the map's hottest cells.
        missing: what was not measured, and why.
        what: what the map is of: a picture, or a volume.
    """

    label: str
    blank: bool = False
    class_agnostic: bool = False
    hidden: Sequence[Hidden] = ()
    no_parts: str = ""
    together: Hiding | None = None
    rivals: tuple[str, ...] = ()
    rival_likenesses: tuple[float, ...] = ()
    strangers: np.ndarray = field(default_factory=lambda: np.empty(0))
    steadiness: float | None = None
    copies: tuple[int, int] = (0, 0)
    transplants: Sequence[Transplant] = ()
    hottest: frozenset[int] = frozenset()
    missing: tuple[str, ...] = ()
    what: str = "picture"

    @property
    def most_alike(self) -> float | None:
        """How alike two maps of different pictures hardly ever are; None where no others were looked at."""
        return float(np.quantile(self.strangers, LIKE)) if len(self.strangers) else None


def decide(evidence: Evidence, settled: bool = True) -> Verdict:
    """The verdict, from numbers alone.

    Args:
        evidence: what was measured.
        settled: see `Verdict`.
    """
    if evidence.blank:
        return Verdict((Mark("blank", "There is nothing on this map that could be checked."),))
    hidden = _say_hidden(evidence)
    marks = [mark for mark in (hidden, _say_rival(evidence), _say_unsteady(evidence)) if mark is not None]
    if any(mark.word in ("same for other classes", "unsteady", "contradicted") for mark in marks):
        # What is the same for other classes, or changes with nothing, is not backed by a test of where it lies.
        marks = [mark for mark in marks if mark.word not in ("backed", "undecided")]
    if not marks:
        marks = [Mark("not measured", "Nothing was measured of this map: that is no word for it, nor against it.")]
    place = _say_place(evidence)
    if place is not None:
        marks.append(place)
    marks.sort(key=lambda mark: get_args(Word).index(mark.word))
    return Verdict(tuple(marks), evidence.missing, settled)


def _say_hidden(evidence: Evidence) -> Mark | None:
    """What hiding says, in all ways together. A way that by itself says rather the opposite takes a word back."""
    if evidence.no_parts:
        return Mark("cannot be checked", f"{evidence.no_parts}: it has no parts to hide, so the map cannot be checked.")
    if not evidence.hidden:
        return None
    able = [way for way in evidence.hidden if way.can_judge]
    label, what = evidence.label, evidence.what
    if not able:
        kept = max((way.kept or 0.0) for way in evidence.hidden)
        sentence = (
            f"Even with everything hidden the model says “{label}”: no map of this {what} can be checked by hiding."
            if kept >= STILL_NAMED
            else f"Hiding parts of this {what} does not move the score of “{label}”, so the map cannot be checked."
        )
        return Mark("cannot be checked", sentence, "hiding", kept, count=evidence.hidden[0].hiding.masks)
    found = evidence.together or able[0].hiding
    calibrated = len(found.others) >= FEWEST_OTHERS
    backed = found.chance_moved <= CHANCE_MOVED and (not calibrated or found.chance_others <= CHANCE_OTHERS)
    contradicted = found.chance_worse <= CHANCE_WORSE
    null = np.concatenate([found.moved, found.others]) if calibrated else found.moved
    null = np.sort(null[np.isfinite(null)])
    beaten = int((null < found.value).sum())
    figures: dict[str, Any] = {
        "measure": "hiding",
        "value": found.value,
        "null": tuple(null.tolist()),
        "bound": _find_bound(found, calibrated),
        "count": found.masks,
    }
    disagree = any(
        (backed and way.hiding.chance_moved > 0.5) or (contradicted and way.hiding.chance_worse > 0.5) for way in able
    )
    if disagree:
        return Mark(
            "undecided",
            "Two ways of hiding disagree, so the check cannot tell this map from one of no meaning.",
            **figures,
        )
    if contradicted:
        return Mark(
            "contradicted",
            f"Hiding what is marked does not lower “{label}”; hiding other places does. Do not read it as the reason.",
            **figures,
        )
    if backed:
        weaker = "" if calibrated else " Passes too easily where the subject is in the middle."
        return Mark(
            "backed",
            f"Hiding what is marked lowers “{label}” more than hiding as much elsewhere does ({beaten:,} of "
            f"{len(null):,} comparison maps). It shows where this model looks, not that it is right.{weaker}",
            **figures,
        )
    return Mark("undecided", f"On this {what} the check cannot tell the map from a map of no meaning.", **figures)


def _find_bound(found: Hiding, calibrated: bool) -> float | None:
    """The figure that a map must pass to be backed."""
    compared = [(found.moved, CHANCE_MOVED), *([(found.others, CHANCE_OTHERS)] if calibrated else [])]
    bounds = [float(np.nanquantile(null, 1 - chance)) for null, chance in compared if np.isfinite(null).any()]
    return max(bounds, default=None)


def _say_rival(evidence: Evidence) -> Mark | None:
    """Whether the map is the same for another class."""
    if evidence.class_agnostic:
        return Mark(
            "same for other classes",
            "The method does not ask for the class: it shows what the network notices, not why it says "
            f"“{evidence.label}”.",
        )
    bound = evidence.most_alike
    if not evidence.rivals or bound is None:
        return None
    # Alike for its nearest rival alone, a map may show what the two have in common, such as two kinds of cat.
    if not all(likeness >= max(bound, ALIKE) for likeness in evidence.rival_likenesses):
        return None
    rivals = " and for ".join(f"“{rival}”" for rival in evidence.rivals)
    return Mark(
        "same for other classes",
        f"Looks the same for {rivals}: it shows what the network notices, not why it says “{evidence.label}”.",
        "other classes",
        min(evidence.rival_likenesses),
        tuple(np.sort(evidence.strangers).tolist()),
        max(bound, ALIKE),
        len(evidence.strangers),
    )


def _say_unsteady(evidence: Evidence) -> Mark | None:
    """Whether the map changes though picture and answer stay."""
    bound, (kept, made) = evidence.most_alike, evidence.copies
    if evidence.steadiness is None or bound is None or kept < made - MOST_CHANGED or evidence.steadiness >= bound:
        return None
    return Mark(
        "unsteady",
        f"Changes when the {evidence.what} changes in ways nobody can see, though the answer stays. Do not read its "
        "details.",
        "copies",
        evidence.steadiness,
        tuple(np.sort(evidence.strangers).tolist()),
        bound,
        kept,
    )


def _say_place(evidence: Evidence) -> Mark | None:
    """Whether one place of the picture makes other pictures this class."""
    deciding = [one for one in evidence.transplants if one.decides]
    if not deciding:
        return None

    def find_marked(one: Transplant) -> float:
        """The share of a place that is among the hottest cells of the map."""
        inside = [number for number, within in enumerate(one.cells) if within]
        return len(evidence.hottest.intersection(inside)) / len(inside)

    # Of places that decide the one that the map marks most is its own.
    best = max(deciding, key=lambda one: (find_marked(one) >= MARKED, one.stands_out))
    named, called = ("One patch", "that patch") if best.place is None else (f"The {best.place}", "that place")
    sentence = (
        f"{named} decides: pasted into {best.tried} other pictures it made {best.turned} of them “{evidence.label}”. "
        f"Would you accept {called} as a reason?"
    )
    if find_marked(best) < MARKED:
        sentence += " This map hardly marks it."
    if best.needed is False:
        sentence += " Without it the answer stays as it is."
    others = [one.enough for one in evidence.transplants if one != best]
    return Mark("one place decides", sentence, "one place", best.enough, tuple(sorted(others)), ENOUGH, best.tried)
