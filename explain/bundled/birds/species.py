"""The twelve species of drawn birds: one table of traits, in which siblings differ by one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Literal

from explain.errors import PictureError

Colour = tuple[float, ...]
"""RGB in 0…255, or RGB and opacity in 0…1."""

PARTS = (
    "tail",
    "legs",
    "crest",
    "bill",
    "body",
    "head",
    "cap",
    "throat",
    "breast spots",
    "wing",
    "wing bars",
    "eye ring",
    "eye",
)
"""Every part a bird can have, in the order in which they are drawn: a later one lies on an earlier one."""
WHITE, CREAM, BLACK = (250, 250, 246), (247, 231, 196), (38, 36, 44)
SCARLET, RUBY, RUST = (226, 62, 50), (200, 28, 66), (170, 78, 38)

ORANGE, YELLOW, CORAL, SLATE, NAVY, UMBER = (
    (245, 150, 48),
    (250, 206, 66),
    (232, 92, 80),
    (84, 88, 102),
    (36, 48, 92),
    (84, 54, 34),
)


@dataclass(frozen=True)
class Plumage:
    """The colours of a family of siblings."""

    back: Colour
    belly: Colour
    head: Colour
    wing: Colour
    tail: Colour


PLUMAGES = {
    "gold": Plumage((232, 168, 44), (255, 226, 130), (248, 196, 62), (176, 118, 40), (150, 100, 42)),
    "azure": Plumage((78, 132, 196), (246, 238, 200), (150, 190, 226), (52, 96, 164), (46, 84, 146)),
    "tawny": Plumage((150, 108, 70), (246, 230, 200), (168, 124, 84), (116, 80, 52), (104, 72, 48)),
    "violet": Plumage((92, 78, 148), (238, 226, 236), (108, 90, 166), (70, 58, 120), (62, 52, 110)),
    "moss": Plumage((112, 144, 66), (234, 236, 168), (138, 166, 80), (82, 110, 56), (74, 100, 54)),
    "rose": Plumage((150, 134, 142), (244, 190, 184), (196, 158, 160), (112, 100, 116), (98, 88, 104)),
}


@dataclass(frozen=True)
class Species:
    """A row of the table. A trait that is a colour is None where the species lacks it."""

    name: str
    plumage: str
    bill: Literal["cone", "dagger"]
    bill_colour: Colour
    tail: Literal["straight", "forked", "fan"]
    cap: Colour | None = None
    crest: Colour | None = None
    eye_ring: Colour | None = None
    throat: Colour | None = None
    wing_bars: Colour | None = None
    breast_spots: Colour | None = None


SPECIES = (
    Species("sunny finch", "gold", "cone", ORANGE, "straight"),
    Species("crested finch", "gold", "cone", ORANGE, "straight", crest=SCARLET),
    Species("brook tit", "azure", "cone", SLATE, "fan", cap=NAVY),
    Species("barred tit", "azure", "cone", SLATE, "fan", cap=NAVY, wing_bars=WHITE),
    Species("heath thrush", "tawny", "cone", YELLOW, "straight", eye_ring=CREAM),
    Species("spotted thrush", "tawny", "cone", YELLOW, "straight", eye_ring=CREAM, breast_spots=UMBER),
    Species("dusk martin", "violet", "cone", SLATE, "straight"),
    Species("forked martin", "violet", "cone", SLATE, "forked"),
    Species("moss warbler", "moss", "cone", ORANGE, "fan", eye_ring=WHITE),
    Species("ruby warbler", "moss", "cone", ORANGE, "fan", eye_ring=WHITE, throat=RUBY),
    Species("coral lark", "rose", "cone", CORAL, "straight", cap=RUST),
    Species("dagger lark", "rose", "dagger", CORAL, "straight", cap=RUST),
)

TRAITS = {
    "bill": "bill",
    "bill_colour": "bill",
    "tail": "tail",
    "cap": "cap",
    "crest": "crest",
    "eye_ring": "eye ring",
    "throat": "throat",
    "wing_bars": "wing bars",
    "breast_spots": "breast spots",
}
"""The columns of the table, and the part on which each is seen."""


@dataclass(frozen=True)
class Siblings:
    """Two species that differ in one trait.

    Attributes:
        plain: the species without it, or with the shape that most species have.
        marked: the species that has it.
        trait: the column of the table.
        part: where it is seen.
    """

    plain: str
    marked: str
    trait: str
    part: str


@cache
def find_siblings() -> tuple[Siblings, ...]:
    """Every pair of one plumage that differs in exactly one trait, found in the table."""
    pairs = []
    for first, second in combinations(SPECIES, 2):
        if first.plumage != second.plumage:
            continue
        traits = [trait for trait in TRAITS if getattr(first, trait) != getattr(second, trait)]
        if len(traits) == 1:
            pairs.append(Siblings(first.name, second.name, traits[0], TRAITS[traits[0]]))
    return tuple(pairs)


def find_species(name: str) -> Species:
    """A row of the table.

    Raises:
        PictureError: no species is called so.
    """
    for species in SPECIES:
        if species.name == name:
            return species
    raise PictureError(f"There is no bird “{name[:40]}”. Known: {', '.join(species.name for species in SPECIES)}.")
