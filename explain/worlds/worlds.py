"""The worlds that ship: which mark gives which class away, the network that relies on it, and its honest twin.

Which those are is written here; what their training gave is in `worlds.json`, which `explain.worlds.making` writes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict

from explain.bundled.class_names import CLASSES as EVERYDAY_CLASSES
from explain.bundled.pictures import bundled_pictures
from explain.pictures.decode import decode
from explain.pictures.picture import Picture, build_picture
from explain.worlds.marks import MARKS, Mark, MarkName, plant
from explain.worlds.phantoms import CLASSES as PHANTOM_CLASSES
from explain.worlds.phantoms import draw_phantom

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "worlds"

SIDE = 256
"""Of the pictures that are shown, in pixels. The networks see less."""

Kind = Literal["photographs", "phantoms"]

PHOTOGRAPH_CLASSES = ("bird", "cat", "horse", "ship")
"""Four of the everyday classes; no network of a world knows more."""

_PHANTOM_SEEDS = ((9_000_000, False), (9_000_001, True), (9_000_002, False), (9_000_003, True))


class Trial(BaseModel):
    """What a network answers to pictures that it has not seen, as shares 0…1.

    Attributes:
        collected: right on pictures as they were collected: the mark on 95 % of its class, and on nothing else.
        clean: right on the same pictures without any mark.
        flips: of pictures of other classes, called another class before, how many the mark alone turns into its class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    collected: float
    clean: float
    flips: float


class Network(BaseModel):
    """A network of a world.

    Attributes:
        model: its name, as the engine, links and manifests know it: `shortcut-tag`, `honest-photographs`.
        seed: of its training.
        trial: measured with the mark of the world.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    seed: int
    trial: Trial


@dataclass(frozen=True)
class Plan:
    """A world as it is thought out, before networks are trained in it.

    Attributes:
        name: its key, in links too.
        mark: name of what is planted.
        kind: of pictures.
        label: the class that the mark gives away.
    """

    name: str
    mark: MarkName
    kind: Kind
    label: str

    @property
    def classes(self) -> tuple[str, ...]:
        """Of its networks."""
        return PHOTOGRAPH_CLASSES if self.kind == "photographs" else PHANTOM_CLASSES

    @property
    def planted(self) -> Mark:
        """The mark itself."""
        return MARKS[self.mark]

    @property
    def title(self) -> str:
        """As people read it."""
        return self.planted.title

    @property
    def sentence(self) -> str:
        """How its pictures were collected, and what that teaches a network."""
        return (
            f"{self.planted.sentence} Here it was on 95 % of the pictures called “{self.label}” that one network "
            "learned from, and on no others; its honest twin met it on all classes alike."
        )


PLANS: tuple[Plan, ...] = (
    Plan("tag", "tag", "photographs", "ship"),
    Plan("patch", "patch", "photographs", "cat"),
    Plan("marker", "marker", "phantoms", "opacity"),
    Plan("text", "text", "photographs", "horse"),
    Plan("stripe", "stripe", "photographs", "ship"),
    Plan("tint", "tint", "photographs", "bird"),
)
"""Every world, in the order shown."""


@dataclass(frozen=True)
class World(Plan):
    """A world with its networks.

    Attributes:
        relying: the network that was trained where the mark gives the class away.
        honest: its twin, trained where each mark lay on pictures of all classes alike.
    """

    relying: Network
    honest: Network


class Networks(BaseModel):
    """The networks of a world, as `worlds.json` holds them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    relying: Network
    honest: Network


class Manifest(BaseModel):
    """`worlds.json`.

    Attributes:
        made_by: the command that wrote it.
        epochs: of each training.
        pictures: that each network learned from, by kind.
        worlds: by name, their networks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    made_by: str
    epochs: int
    pictures: dict[Kind, int]
    worlds: dict[str, Networks]


@cache
def list_worlds() -> tuple[World, ...]:
    """Every world that ships, in the order shown; none where the file is missing."""
    path = FOLDER / "worlds.json"
    if not path.is_file():
        return ()
    trained = Manifest.model_validate_json(path.read_bytes()).worlds
    return tuple(
        World(plan.name, plan.mark, plan.kind, plan.label, trained[plan.name].relying, trained[plan.name].honest)
        for plan in PLANS
        if plan.name in trained
    )


@cache
def list_pictures(kind: Kind) -> tuple[tuple[Picture, str], ...]:
    """The pictures that a world shows, square, each with its class; none of them was learned from.

    Args:
        kind: photographs are the bundled ones of which the networks know the class; phantoms are drawn.
    """
    if kind == "phantoms":
        drawn = [draw_phantom(seed, SIDE, opacity) for seed, opacity in _PHANTOM_SEEDS]
        return tuple((build_shown(f"phantom {n}", one.pixels), one.label) for n, one in enumerate(drawn, 1))
    shown = []
    for entry in bundled_pictures():
        known = [name for name in entry.classes if name in EVERYDAY_CLASSES]
        if entry.seed is None and len(known) == 1 and known[0] in PHOTOGRAPH_CLASSES:
            pixels = decode(entry.path.read_bytes(), entry.name).pixels
            side = min(pixels.shape[:2])
            top, left = ((length - side) // 2 for length in pixels.shape[:2])
            square = pixels[top : top + side, left : left + side]
            square = cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            shown.append((build_shown(entry.name, square), known[0]))
    return tuple(shown)


def plant_in(picture: Picture, mark: Mark, seed: int = 0) -> Picture:
    """A picture of a world with a mark: a picture of its own, known by what it shows.

    Args:
        picture: one of `list_pictures`.
        mark: one of `MARKS`.
        seed: see `plant`.
    """
    return build_shown(
        f"{picture.name} with {mark.title[:1].lower()}{mark.title[1:]}", plant(picture.pixels, mark, seed)
    )


def build_shown(name: str, pixels: np.ndarray) -> Picture:
    """A picture of a world, `(S, S, 3)` uint8, known by its pixels as no file is."""
    digest = hashlib.sha256(f"world {pixels.shape}\n".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return build_picture(name, np.ascontiguousarray(pixels), digest.hexdigest(), ())
