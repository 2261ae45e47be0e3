"""Whether a model uses what an expert would: which parts have the effect that was expected, which layers look there.

Both are measures that others train by, without the training, which makes maps look right: the parts of X-NeSyL
(Díaz-Rodríguez et al. 2021, arXiv 2104.11914), whose edges from parts to classes are compared with an expert's, and the
cosine between a layer's activations and an expert's map (Belharbi et al. 2024, arXiv 2402.00281).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from explain.bundled.birds.species import SPECIES, TRAITS, find_siblings
from explain.datasets.table import read_rows
from explain.errors import DataSetError
from explain.faithfulness.effects import Effects
from explain.faithfulness.holes import FEWEST_CONTROLS

Sign = Literal[-1, 0, 1]
"""A part speaks against a class, nothing is expected of it, or it speaks for it."""

Table = Mapping[str, Mapping[str, Sign]]
"""By class and part, what is expected; a part that is left out is 0."""

Verdict = Literal["as expected", "wrong way", "no effect", "too large to compare"]

_SIGNS: dict[str, Sign] = {"": 0, "0": 0, "none": 0, "+": 1, "+1": 1, "1": 1, "-": -1, "-1": -1, "−": -1, "−1": -1}
_MOST_BYTES = 1_000_000
_SHAPES = ("bill", "tail")


@dataclass(frozen=True)
class PartAgreement:
    """What was expected of one part, and what was found.

    Attributes:
        name: of the part.
        expected: 1 for the class, -1 against it.
        removal: how far the class's score falls without the part, over all fills.
        verdict: `as expected`; `wrong way`: it stands out the other way; `no effect`: it does not stand out beside the
            same hole at other places.
    """

    name: str
    expected: Sign
    removal: float
    verdict: Verdict


@dataclass(frozen=True)
class PartsAgreement:
    """How far the parts of a picture do what was expected.

    Attributes:
        label: the class.
        parts: those of which something was expected and that are seen in the picture.
        beyond: parts of which nothing was expected, and which stand out.
        unseen: parts of which something was expected, and which are none of the regions.
    """

    label: str
    parts: tuple[PartAgreement, ...]
    beyond: tuple[str, ...]
    unseen: tuple[str, ...]

    @property
    def judged(self) -> tuple[PartAgreement, ...]:
        """Those that could be compared with other places."""
        return tuple(part for part in self.parts if part.verdict != "too large to compare")

    @property
    def misattributed(self) -> tuple[PartAgreement, ...]:
        """Those that have the wrong effect, or none."""
        return tuple(part for part in self.judged if part.verdict != "as expected")

    @property
    def sentence(self) -> str:
        """How many, and which."""
        if not self.judged:
            text = f"Of “{self.label}” nothing was expected that can be judged here."
        else:
            wrong = ", ".join(f"“{part.name}” {_SAID[part.verdict]}" for part in self.misattributed)
            text = f"Misattributed: {len(self.misattributed)} of {len(self.judged)}{f': {wrong}' if wrong else ''}."
        large = [part.name for part in self.parts if part.verdict == "too large to compare"]
        for names, said in (
            (large, "Too large to compare with other places"),
            (self.beyond, "Not expected, and stands out"),
            (self.unseen, "Expected, but not among the regions"),
        ):
            if names:
                text += f" {said}: {', '.join(names)}."
        return text

    def as_data(self) -> dict[str, Any]:
        """Everything, fit for JSON."""
        return {
            "label": self.label,
            "parts": [dict(vars(part)) for part in self.parts],
            "misattributed": len(self.misattributed),
            "judged": len(self.judged),
            "beyond": list(self.beyond),
            "unseen": list(self.unseen),
            "sentence": self.sentence,
        }


_SAID: dict[Verdict, str] = {"wrong way": "works the wrong way", "no effect": "has no effect"}


@dataclass(frozen=True, eq=False)
class LayerLook:
    """How far one layer looks where an expert would.

    Attributes:
        layer: its name.
        cosine: between the mean of its channels' magnitudes and the expert's mask on its cells, 0…1.
        places: the same for the mask at other places, `(n,)`.
        even: the same of a layer that is as active everywhere; a large mask has much of it.
    """

    layer: str
    cosine: float
    places: np.ndarray
    even: float

    @property
    def stands_out(self) -> bool:
        """Whether at no other place the mask would fit as well; not where there are too few."""
        return len(self.places) >= FEWEST_CONTROLS and bool((self.places < self.cosine).all())

    def as_data(self) -> dict[str, Any]:
        """Everything, fit for JSON."""
        return {**vars(self), "places": self.places.tolist(), "stands_out": self.stands_out}


def judge_parts(effects: Effects, expected: Mapping[str, Sign]) -> PartsAgreement:
    """Compare what parts do with what was expected of them for the class in question.

    Args:
        effects: of the parts, by their names.
        expected: by part; those left out are 0.
    """
    parts, beyond = [], []
    for effect in effects.regions:
        sign, score = expected.get(effect.name, 0), effect.score
        removal = float(score.removal.mean())
        if sign == 0:
            if score.stands_out:
                beyond.append(effect.name)
            continue
        verdict: Verdict = "no effect"
        if score.chance is None:
            verdict = "too large to compare"
        elif score.stands_out:
            verdict = "as expected" if removal * sign > 0 else "wrong way"
        parts.append(PartAgreement(effect.name, sign, removal, verdict))
    seen = {effect.name for effect in effects.regions}
    unseen = tuple(name for name, sign in expected.items() if sign and name not in seen)
    return PartsAgreement(effects.whole.label, tuple(parts), tuple(beyond), unseen)


def look_at_mask(layer: str, activations: np.ndarray, mask: np.ndarray, controls: np.ndarray) -> LayerLook:
    """How far a layer is active where a mask is.

    The authors take the mean of channels after a ReLU. That of their magnitudes is the same there, and also means
    something where channels have both signs, as a vision transformer's.

    Args:
        layer: its name.
        activations: `(C, h, w)`.
        mask: in the model's input, `(H, W)` bool.
        controls: the same at other places, `(n, H, W)` bool.
    """
    active = np.abs(activations.astype(np.float64)).mean(0)
    own = _lay_on_cells(mask, active.shape)
    places = np.array([find_cosine(active, _lay_on_cells(control, active.shape)) for control in controls])
    return LayerLook(layer, find_cosine(active, own), places, find_cosine(np.ones_like(active), own))


def find_cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Of the angle between two maps as vectors; 0 where one of them is all 0."""
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum() / lengths) if lengths else 0.0


def describe_layers(looks: Sequence[LayerLook]) -> str:
    """Which layers look where an expert would, in a sentence."""
    if not looks:
        return ""
    if any(len(look.places) < FEWEST_CONTROLS for look in looks):
        return "What is expected is too large to compare with other places."
    found = [look.layer for look in looks if look.stands_out]
    places = f"than at {len(looks[0].places)} other places"
    if not found:
        return f"None of {len(looks)} layers is more active where you would look {places}."
    return f"{len(found)} of {len(looks)} layers are more active where you would look {places}: {', '.join(found)}."


def list_traits() -> dict[str, dict[str, Sign]]:
    """What whoever knows the drawn birds expects, from the table of their traits: what a species has of marks speaks
    for it, and so does the bill or tail by which it differs from a sibling; the mark that only its sibling has speaks
    against it.
    """
    table: dict[str, dict[str, Sign]] = {}
    for species in SPECIES:
        marks = [part for trait, part in TRAITS.items() if part not in _SHAPES and getattr(species, trait) is not None]
        table[species.name] = dict.fromkeys(marks, 1)
    for pair in find_siblings():
        table[pair.marked][pair.part] = 1
        table[pair.plain][pair.part] = 1 if pair.part in _SHAPES else -1
    return table


def read_expectations(data: bytes, name: str) -> Table:
    """A table as CSV: parts in the first row, a class in the first column, and in each cell `+`, `-` or nothing.

    Args:
        data: the file; fields are parted by commas, semicolons or tabs.
        name: what to call it in an error.

    Raises:
        DataSetError: it is no such table.
    """
    if len(data) > _MOST_BYTES:
        raise DataSetError(f"“{name}” is too large for a table of parts: {_MOST_BYTES // 1000} KB are the most.")
    rows = [row for row in read_rows(data) if any(row)]
    if len(rows) < 2 or len(rows[0]) < 2:
        raise DataSetError(
            f"“{name}” is no table of classes and parts: the first row names parts, the first column classes, and "
            "each cell is +, - or empty."
        )
    parts, table = rows[0][1:], dict[str, dict[str, Sign]]()
    for row in rows[1:]:
        for cell in row[1:]:
            if cell.lower() not in _SIGNS:
                raise DataSetError(f"“{name}” says “{cell[:20]}” of “{row[0][:40]}”. Write +, - or nothing.")
        if row[0] in table:
            raise DataSetError(f"“{name}” has two rows for “{row[0][:40]}”. Leave one out.")
        cells = zip(parts, row[1:], strict=False)
        table[row[0]] = {part: _SIGNS[cell.lower()] for part, cell in cells if part and _SIGNS[cell.lower()]}
    return table


def write_expectations(table: Table) -> bytes:
    """The table as CSV, as `read_expectations` takes it."""
    parts = [*dict.fromkeys(part for row in table.values() for part in row)]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["class", *parts])
    words: dict[Sign, str] = {-1: "-", 0: "", 1: "+"}
    for label, row in table.items():
        writer.writerow([label, *(words[row.get(part, 0)] for part in parts)])
    return stream.getvalue().encode()


def _lay_on_cells(mask: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Which share of each cell a mask covers."""
    rows, columns = shape
    laid: np.ndarray = cv2.resize(mask.astype(np.float64), (columns, rows), interpolation=cv2.INTER_AREA)
    return laid
