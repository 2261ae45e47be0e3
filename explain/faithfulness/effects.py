"""What becomes of an answer without a region of the picture: the region removed, kept alone, and its Shapley share,
beside the same hole at other places and under several ways of filling it.

Any hole lowers a score. Only what a region does beyond its controls is about this place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np

from explain.faithfulness.holes import FEWEST_CONTROLS
from explain.faithfulness.shapley import MOST_SHARED, list_coalitions, share_out
from explain.percent import write_change, write_share
from explain.pictures.painting import Paint

FILLS: tuple[Paint, ...] = get_args(Paint)
"""What stands in holes: all four, because none of them is nothing."""

MOST_REGIONS = 16

_MANY = 4  # regions, from which on it is said how many stand out by chance


@dataclass(frozen=True, eq=False)
class Change:
    """What a region does to one number: the score of a class, or its probability. Above zero it speaks for the class.

    Attributes:
        removal: how far the number falls without the region, under each of `FILLS`.
        alone: how far it rises when of all regions this one alone is shown.
        share: the region's Shapley share under each fill; None where there are too many regions.
        controls: how far it falls without the same hole at other places, `(n, fills)`.
    """

    removal: np.ndarray
    alone: np.ndarray
    share: np.ndarray | None
    controls: np.ndarray

    @property
    def places(self) -> np.ndarray:
        """How far it falls without each other place, over all fills, `(n,)`."""
        means: np.ndarray = self.controls.mean(1)
        return means

    @property
    def surplus(self) -> float:
        """How far the number falls beyond what it does without another place, in the middle."""
        return float(self.removal.mean() - (np.median(self.places) if len(self.places) else 0.0))

    @property
    def chance(self) -> float | None:
        """The share of places, the region among them, without which it falls as far or farther; where it falls less
        than without most of them, as little or less. None where there are too few places.

        As the direction is the data's own, one region in ten is at either end of 20 by chance.
        """
        if len(self.places) < FEWEST_CONTROLS:
            return None
        sign = 1 if self.surplus >= 0 else -1
        as_far = (sign * self.places >= sign * self.removal.mean()).sum()
        return float((1 + as_far) / (1 + len(self.places)))

    @property
    def agrees(self) -> bool:
        """Whether the number falls under every fill, or rises under every fill."""
        return bool((self.removal > 0).all() or (self.removal < 0).all())

    @property
    def stands_out(self) -> bool:
        """Whether no other place does as much, and how it is filled does not decide which way."""
        onwards = self.surplus * float(self.removal.mean()) > 0
        return self.agrees and onwards and self.chance == 1 / (1 + len(self.places))

    def as_data(self) -> dict[str, Any]:
        """Everything as numbers and lists, fit for JSON."""
        data = {name: None if value is None else value.tolist() for name, value in vars(self).items()}
        return {**data, "surplus": self.surplus, "chance": self.chance, "stands_out": self.stands_out}


@dataclass(frozen=True, eq=False)
class Effect:
    """What one region does.

    Attributes:
        name: what a person calls it.
        area: its share of what the model saw of the picture, 0…1.
        score: what it does to the score of the class.
        probability: the same for the probability; None for a value, which has none.
        flips: the likeliest answer without it where that is another one, by the fill.
    """

    name: str
    area: float
    score: Change
    probability: Change | None
    flips: Mapping[Paint, str]


@dataclass(frozen=True)
class Answered:
    """The class in question, as the picture is.

    Attributes:
        label: its name.
        score: its score.
        probability: its probability; None for a value.
        decision: the likeliest answer.
    """

    label: str
    score: float
    probability: float | None
    decision: str


@dataclass(frozen=True, eq=False)
class Effects:
    """What some regions of a picture do.

    Attributes:
        whole: the answer to the picture as it is.
        regions: what each does, in the order given.
        notes: what must be known to read them, in sentences.
    """

    whole: Answered
    regions: Sequence[Effect]
    notes: tuple[str, ...] = ()

    @property
    def strongest(self) -> Effect:
        """Of the regions that stand out the one without which the score changes most beyond other places; where none
        does, the one without which it changes most.
        """
        if outstanding := [effect for effect in self.regions if effect.score.stands_out]:
            return max(outstanding, key=lambda effect: abs(effect.score.surplus))
        return max(self.regions, key=lambda effect: abs(float(effect.score.removal.mean())))

    @property
    def sentence(self) -> str:
        """What came out, in a sentence or two."""
        effect = self.strongest
        score, told = effect.score, self._tell(effect)
        if score.chance is None:
            return f"{told} That place is too large to compare with others of its shape."
        places = f"{len(score.places)} other places"
        if score.stands_out:
            return f"{told} At none of {places} does a hole of its shape do as much."
        beyond = score.chance == 1 / (1 + len(score.places)) and not score.agrees
        why = " Which way depends on what fills the hole." if beyond else ""
        return f"No place stands out. {told}{why} At {places} such a hole changes it by {_write_range(-score.places)}."

    def _tell(self, effect: Effect) -> str:
        """What becomes of the class without a region."""
        rises = -effect.score.removal
        by = f"{write_change(rises.mean(), 2)} ({_write_range(rises)} by what fills the hole)"
        text = f"Without “{effect.name}” the score of “{self.whole.label}” changes by {by}"
        if effect.probability is not None and self.whole.probability is not None:
            left = self.whole.probability - float(effect.probability.removal.mean())
            text += f", its probability from {write_share(self.whole.probability)} to {write_share(left)}"
        return f"{text}.{describe_flips(effect, self.whole.decision)}"

    def as_data(self) -> dict[str, Any]:
        """Everything as numbers, strings, lists and dictionaries, fit for JSON."""
        return {
            **asdict(self.whole),
            "fills": list(FILLS),
            "sentence": self.sentence,
            "regions": [
                {
                    "name": effect.name,
                    "area": effect.area,
                    "score": effect.score.as_data(),
                    "probability": None if effect.probability is None else effect.probability.as_data(),
                    "flips": dict(effect.flips),
                }
                for effect in self.regions
            ],
            "notes": list(self.notes),
        }


def describe_flips(effect: Effect, decision: str) -> str:
    """To what the decision flips without a region, as a sentence after a space; empty where it stays."""
    if not effect.flips:
        return ""
    counts = {label: [*effect.flips.values()].count(label) for label in dict.fromkeys(effect.flips.values())}
    to = ", ".join(f"“{label}” under {count} of {len(FILLS)} fills" for label, count in counts.items())
    return f" The decision flips from “{decision}” to {to}."


def list_kept(count: int) -> np.ndarray:
    """Which of so many regions are shown in each picture that must be asked about, `(m, count)` bool: nothing of them
    first, all of them last. All coalitions where shares can be worked out; else each alone, and all but each.
    """
    if count <= MOST_SHARED:
        return list_coalitions(count)
    one = np.eye(count, dtype=bool)
    return np.concatenate([np.zeros((1, count), dtype=bool), one, ~one, np.ones((1, count), dtype=bool)])


def work_out(values: np.ndarray, kept: np.ndarray, controls: Sequence[np.ndarray]) -> list[Change]:
    """What each region does to one number.

    Args:
        values: the number for each choice of regions shown, `(m, fills)`.
        kept: which regions those are; see `list_kept`.
        controls: for each region the number without the same hole elsewhere, `(n, fills)`.
    """
    count = kept.shape[1]
    shares = share_out(values) if count <= MOST_SHARED else None
    sizes = kept.sum(1)
    changes = []
    for region in range(count):
        without = int(np.flatnonzero((sizes == count - 1) & ~kept[:, region])[0])
        alone = int(np.flatnonzero((sizes == 1) & kept[:, region])[0])
        changes.append(
            Change(
                values[-1] - values[without],
                values[alone] - values[0],
                None if shares is None else shares[region],
                values[-1] - controls[region],
            )
        )
    return changes


def list_notes(count: int) -> list[str]:
    """What must be known of so many regions, in sentences."""
    notes = []
    if count > MOST_SHARED:
        notes.append(
            f"Shapley shares are worked out exactly, for {MOST_SHARED} regions at most: of these {count} they are left "
            "out. Ask about fewer at once to have them."
        )
    if count >= _MANY:
        notes.append(f"Of {count} regions about {0.1 * count:.1f} stand out by chance alone.")
    return notes


def _write_range(values: np.ndarray) -> str:
    return f"{write_change(values.min(), 2)} to {write_change(values.max(), 2)}"
