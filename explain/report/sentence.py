"""One sentence under a picture: what the model says, where a map is high, what happens without that, how far methods
agree, and what was not seen. A template over figures that were measured anyway; nothing is run for it.

It tells figures and no causes, and nothing that is not among the model's labels. A clause without a figure is not said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from explain.bundled.pictures import find_bundled, read_parts
from explain.engine.explanation import PictureExplanation, Prediction, format_value
from explain.errors import PictureError, make_printable
from explain.faithfulness.effects import Effects
from explain.faithfulness.verdict import STILL_NAMED, Mark
from explain.maps.agreement import rank_correlations
from explain.maps.heatmap import Heatmap, name_place
from explain.maps.mask import Mask, MaskSettings
from explain.methods import get_method
from explain.percent import write_decimals, write_share
from explain.report.masks import find_shown_mask

SENTENCE_RULES = 2
"""Which template this is; a sentence by another one cannot be compared word by word."""

NOTHING_STANDS_OUT = "No place stands out."

About = Literal["answer", "place", "without", "agreement", "unseen"]

_LONGEST_LABEL = 60
_ON_A_PART = 1 / 3
"""The least share of a mask that lies on one known part, for the part to be named in place of a ninth."""


@dataclass(frozen=True)
class Figure:
    """A figure in a clause: as the engine has it, and as it is written."""

    value: float
    text: str


@dataclass(frozen=True)
class Clause:
    """A sentence of the sentence.

    Attributes:
        about: what it tells.
        text: words and figures.
        figures: those in it, in their order.
    """

    about: About
    text: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Sentence:
    """What is said of a picture: the clauses there are figures for."""

    clauses: tuple[Clause, ...]

    @property
    def text(self) -> str:
        """All of it; empty where there is nothing to say."""
        return " ".join(clause.text for clause in self.clauses)


def write_sentence(entry: PictureExplanation) -> Sentence:
    """Say in a sentence what was measured of a picture.

    Args:
        entry: what the engine answered, with the verdicts there are by now; only settled ones are told. What happens
            without the place is told of the leading map's effects, or else of its verdict.
    """
    lead = find_lead(entry)
    found = None if lead is None else _find_mask(entry, lead)
    clauses: list[Clause | None] = [_say_answer(entry)]
    if lead is not None and found is not None:
        clauses.append(_say_place(entry, lead, found))
        if lead.key in entry.effects:
            clauses.append(_say_without(entry.effects[lead.key]))
        else:
            verdict = entry.verdicts.get(lead.key)
            clauses += [_say_mark(mark, lead) for mark in verdict.marks] if verdict and verdict.settled else []
    clauses += [_say_agreement(entry, lead), _say_unseen(entry)]
    return Sentence(tuple(clause for clause in clauses if clause is not None and clause.figures))


def find_lead(entry: PictureExplanation) -> Heatmap | None:
    """The map that the sentence is about: the first that asks for the class and shows something, or else the first that
    shows something; None where none does.
    """
    shown = [heatmap for heatmap in entry.maps if not heatmap.blank]
    asking = [heatmap for heatmap in shown if not get_method(heatmap.method).class_agnostic]
    return next(iter([*asking, *shown]), None)


def _find_mask(entry: PictureExplanation, heatmap: Heatmap) -> Mask | None:
    """Where a map of a picture is high; None where it is high nowhere."""
    try:
        mask = find_shown_mask(entry.picture, heatmap, entry.masks or MaskSettings())
    except PictureError:
        return None
    return mask if mask.pixels.any() else None  # of a volume's map, not on this slice


def _name_picture(entry: PictureExplanation) -> str:
    """What the picture is, beside a volume that figures may be of as well."""
    return "picture" if entry.picture.section is None else "slice"


def _percent(value: float) -> Figure:
    return Figure(value, write_share(value))


def _count(number: int) -> Figure:
    return Figure(number, f"{number:,}")


def _number(value: float) -> Figure:
    return Figure(value, write_decimals(value, 2))


def _value(value: float) -> Figure:
    return Figure(value, format_value(value))


def _name(label: str) -> str:
    return f"“{make_printable(label, _LONGEST_LABEL, _LONGEST_LABEL // 2)}”"


def _say(about: About, *parts: str | Figure) -> Clause:
    """A clause of words and figures."""
    text = "".join(part if isinstance(part, str) else part.text for part in parts)
    return Clause(about, text, tuple(part for part in parts if isinstance(part, Figure)))


def _say_answer(entry: PictureExplanation) -> Clause | None:
    """What the model says and how surely, and what is next; of the class that is explained too, where that is neither.

    A probability that stands beside a caution means little, and the sentence says so.
    """
    if not entry.predictions:
        return None
    first, *others = entry.predictions
    wanted = [one for one in others if one.index in entry.targets] or others[:1]
    parts: list[str | Figure] = ["The model says ", *_say_prediction(first)]
    for one in wanted[:1]:
        parts += [", next " if one is others[0] else ", and what is explained is ", *_say_prediction(one)]
    doubt = entry.caution or entry.unlike.unlike
    return _say("answer", *parts, f", of a {_name_picture(entry)} unlike those it learned from." if doubt else ".")


def _say_prediction(one: Prediction) -> Iterator[str | Figure]:
    yield f"{_name(one.label)} ("
    if one.probability is not None:
        yield _percent(one.probability)
    elif one.score is not None:
        yield _value(one.score)
    yield ")"


def _say_place(entry: PictureExplanation, lead: Heatmap, mask: Mask) -> Clause:
    """Where the map is high, and how large that is; on which known part or in which ninth of the picture most of it
    lies.
    """
    method = get_method(lead.method)
    name = f"{method.title}, which does not ask for the class," if method.class_agnostic else method.title
    share, where = find_where(mask, _read_known_parts(entry))
    high: list[str | Figure] = [f"{name} is high (above ", _percent(mask.share), " of its highest value) in "]
    parts = [*high, _percent(mask.area), f" of the {_name_picture(entry)}"]
    millimetres = mask.measure_millimetres(entry.picture.placement)
    if millimetres is not None:
        assert entry.picture.placement is not None
        detector = " at the detector" if entry.picture.placement.at_detector else ""
        parts += [" (", Figure(millimetres, f"{millimetres:,.0f}"), f" mm²{detector})"]
    return _say("place", *parts, ", ", _percent(share), f" of that {where}.")


def _read_known_parts(entry: PictureExplanation) -> Mapping[str, np.ndarray]:
    drawn = find_bundled(entry.picture.digest)
    return {} if drawn is None else read_parts(drawn)


def find_where(mask: Mask, parts: Mapping[str, np.ndarray] | None = None) -> tuple[float, str]:
    """Which share of a mask lies where: on the known part that has most of it, where that is a third or more, or else
    in one of the picture's ninths.

    Args:
        mask: not empty.
        parts: known ones by their names, `(H, W)` bool.

    Returns:
        The share, 0…1, and the place as the end of a sentence.
    """
    whole = mask.enlarge()
    total = whole.sum()
    on = {name: float((whole & part).sum() / total) for name, part in (parts or {}).items()}
    part = max(on, key=lambda name: on[name], default=None)
    if part is not None and on[part] >= _ON_A_PART:
        return on[part], f"on the {part}"
    thirds = [(np.arange(side) + 0.5) * 3 // side for side in mask.pixels.shape]
    shares = {
        (down, across): float(mask.pixels[np.ix_(thirds[0] == down, thirds[1] == across)].sum() / mask.pixels.sum())
        for down in range(3)
        for across in range(3)
    }
    down, across = max(shares, key=lambda at: shares[at])
    place = name_place((across + 0.5) / 3, (down + 0.5) / 3)
    edge = place.removeprefix("the ") in ("top", "bottom", "left", "right")
    return shares[down, across], f"{'at' if edge else 'in'} {place}"


def _say_without(effects: Effects) -> Clause:
    """What is left without the place, by what fills the hole, and without the same hole elsewhere."""
    effect, whole = effects.regions[0], effects.whole
    change, start, write = effect.score, whole.score, _number
    if effect.probability is not None and whole.probability is not None:
        change, start, write = effect.probability, whole.probability, _percent
    left = start - change.removal
    parts: list[str | Figure] = [f"Painted over, {_name(whole.label)} is left with "]
    parts += [*_say_range(left, write)]
    if not len(change.places):
        return _say("without", *parts, "; that place is too large to compare with others of its shape.")
    beside = start - change.places
    end: list[str | Figure] = ["; without ", _count(len(beside)), " other places of its shape, with "]
    opening = "" if effect.score.stands_out else f"{NOTHING_STANDS_OUT} "
    return _say("without", opening, *parts, *end, *_say_range(beside, write), ".")


def _say_range(values: np.ndarray, write: Callable[[float], Figure]) -> Iterator[str | Figure]:
    low, high = write(float(values.min())), write(float(values.max()))
    yield low
    if low.text != high.text:
        yield from (" to ", high)


def _say_mark(mark: Mark, lead: Heatmap) -> Clause | None:
    """What a verdict says of the map, where there is a figure behind it."""
    if mark.value is None:
        return None
    label = _name(lead.label)
    if mark.word == "same for other classes":
        return _say("without", "For other classes it looks the same (alike to ", _number(mark.value), ").")
    if mark.word == "unsteady":
        return _say("without", "It changes with changes that nobody can see (alike to ", _number(mark.value), ").")
    if mark.word == "cannot be checked" and mark.value >= STILL_NAMED:
        return _say("without", "With all hidden, ", _percent(mark.value), f" of {label} is left: hiding tells nothing.")
    if mark.measure != "hiding" or not mark.null:
        return None
    null = np.array(mark.null)
    opening, way, count = {
        "backed": ("", "more", (null < mark.value).sum()),
        "undecided": (f"{NOTHING_STANDS_OUT} ", "more", (null < mark.value).sum()),
        "contradicted": ("", "less", (null > mark.value).sum()),
    }[mark.word]
    words = f"{opening}Hiding what it marks lowers {label} {way} than hiding as much elsewhere in "
    return _say("without", words, _count(int(count)), " of ", _count(len(null)), " comparisons.")


def _say_agreement(entry: PictureExplanation, lead: Heatmap | None) -> Clause | None:
    """How far the maps of the methods order the places alike; the first map of each method for the class."""
    if lead is None:
        return None
    maps: dict[str, Heatmap] = {}
    for heatmap in entry.maps:
        if not heatmap.blank and heatmap.target == lead.target:
            maps.setdefault(heatmap.method, heatmap)
    titles = [get_method(name).title for name in maps]
    alike = rank_correlations([one.values for one in maps.values()], [one.box for one in maps.values()])
    pairs = [
        (float(alike[i, j]), f"{titles[j]} and {titles[i]}")
        for i in range(len(maps))
        for j in range(i)
        if not np.isnan(alike[i, j])
    ]
    if not pairs:
        return None
    low, high = min(pairs), max(pairs)
    parts: list[str | Figure] = [f"{high[1]} agree to ", _number(high[0])]
    if len(pairs) > 1:
        parts += [f", {low[1]} to ", _number(low[0])]
    return _say("agreement", *parts, " (rank correlation).")


def _say_unseen(entry: PictureExplanation) -> Clause | None:
    """How much of the picture the model did not see."""
    if not entry.maps:
        return None
    height, width = entry.picture.size
    seen = entry.maps[0].box.clipped(entry.picture.size)
    unseen = 1.0 - np.prod([span.length for span in seen.spans]) / (height * width)
    if unseen < 0.001:
        return None
    return _say("unseen", _percent(float(unseen)), f" of the {_name_picture(entry)} was cropped away and not seen.")
