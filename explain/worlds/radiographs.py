"""What a network of chest radiographs leans on: a few of them with another border, and what was measured on many.

The figures are those of the card of `chest-xray`, as `benchmarks.scan_models` wrote them; nothing here measures.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from explain.pictures.decode import decode
from explain.pictures.picture import Picture, alter
from explain.worlds.worlds import FOLDER

MODEL = "chest-xray"
CLASSES = ("no finding", "pneumonia")
EXPLAINED = CLASSES.index("pneumonia")
BORDER = 1 / 7
"""Of each side: a frame that is half of the picture."""

Border = Literal["hidden", "pneumonia", "no finding"]
"""What a border gives way to: the mean of the picture, or the border of another radiograph with that label."""


class Radiograph(BaseModel):
    """A radiograph that ships; none of its patient's was learned from.

    Attributes:
        file: in the folder `radiographs`.
        label: one of `CLASSES`, as a program read it out of a report.
        view: `AP` or `PA`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    label: str
    view: Literal["AP", "PA"]

    @property
    def name(self) -> str:
        """The number that NIH gave it."""
        return self.file.partition(".")[0]


class Estimate(BaseModel):
    """A figure with its 95 % interval, for which patients were drawn anew."""

    model_config = ConfigDict(frozen=True)

    value: float
    low: float
    high: float


class Carried(BaseModel):
    """What a part of other radiographs does to those without a finding.

    Attributes:
        moved: how far, in parts of the gap between both labels' mean logits, by the part of one labelled pneumonia in
            place of that of one without a finding.
        called: the share that is called pneumonia, by the label of the giver.
    """

    model_config = ConfigDict(frozen=True)

    moved: Estimate = Field(alias="share of the gap")
    called: dict[str, float] = Field(alias="called pneumonia")


class Pointing(BaseModel):
    """How often the highest cell of a method's maps lies in a radiologist's box, 0…1, and of how many pictures."""

    model_config = ConfigDict(frozen=True)

    hit: float
    pictures: int


class Leanings(BaseModel):
    """What was measured on held-out radiographs.

    Attributes:
        pictures: how many.
        patients: of how many.
        right: the share that is named as it was labelled.
        areas: under the curve, by what was shown.
        carried: by the part that was pasted.
        plain: the share of those without a finding, as they are, that is called pneumonia.
        pointing: by method, and of any place (`chance`) and of the picture's centre (`centre`).
    """

    model_config = ConfigDict(frozen=True)

    pictures: int
    patients: int
    right: Estimate
    areas: dict[str, Estimate]
    carried: dict[str, Carried]
    plain: float = Field(alias="called pneumonia, no finding as they are")
    pointing: dict[str, Pointing]


@cache
def read_leanings() -> Leanings | None:
    """What was measured; None where it does not ship."""
    path = FOLDER / "radiographs.json"
    return TypeAdapter(dict[str, Leanings]).validate_json(path.read_bytes())[MODEL] if path.is_file() else None


@cache
def list_radiographs() -> tuple[tuple[Picture, Radiograph], ...]:
    """The radiographs that ship, in the order shown; none where they are missing."""
    folder = FOLDER / "radiographs"
    listed = folder / "radiographs.json"
    if not listed.is_file():
        return ()
    described = TypeAdapter(tuple[Radiograph, ...]).validate_json(listed.read_bytes())
    return tuple((decode((folder / one.file).read_bytes(), f"Radiograph {one.name}"), one) for one in described)


def frame(size: tuple[int, int], share: float = BORDER) -> np.ndarray:
    """The border of a picture of `size` (height, width), `share` of its sides wide, `(H, W)` bool."""
    mask = np.ones(size, dtype=bool)
    edge = [round(side * share) for side in size]
    mask[edge[0] : size[0] - edge[0], edge[1] : size[1] - edge[1]] = False
    return mask


def fill(picture: Picture, mask: np.ndarray, other: Picture | None = None) -> Picture:
    """The picture with its mean, or with another picture of its size, where the mask says."""
    values = picture.model_pixels.copy()
    values[mask] = values.mean((0, 1)).astype(values.dtype) if other is None else other.model_pixels[mask]
    return alter(picture, values, "Parts were replaced.")


def find_giver(number: int, border: Border) -> Picture | None:
    """The radiograph whose border a picture is given: one of that label, and another one; None where it is hidden.

    Args:
        number: of the picture, from 0.
        border: see `Border`.
    """
    radiographs = list_radiographs()
    others = [one for at, (one, described) in enumerate(radiographs) if described.label == border and at != number]
    return others[number % len(others)] if others else None
