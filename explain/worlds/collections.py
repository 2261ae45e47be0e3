"""Collections with a shortcut in them: many pictures of a world, and its mark on a few of those it should not be on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from explain.worlds.marks import plant
from explain.worlds.phantoms import CLASSES as PHANTOM_CLASSES
from explain.worlds.phantoms import draw_phantom
from explain.worlds.worlds import Plan, list_pictures

MARKED, PLAIN = "marked", "plain"
"""Groups of a collection."""

SIDE = 128
"""Of its pictures, in pixels: the networks of worlds see less."""

_LEAST_CROP = 0.6  # of a photograph's side
_LIGHT = (0.8, 1.2)  # by which each colour is made darker or lighter


@dataclass(frozen=True, eq=False)
class Planted:
    """A picture of a collection.

    Attributes:
        pixels: `(SIDE, SIDE, 3)` uint8.
        label: its class; never the one that the mark gives away, where it has the mark.
        group: `MARKED` or `PLAIN`.
    """

    pixels: np.ndarray
    label: str
    group: str


def draw_collection(plan: Plan, count: int, share: float, seed: int = 0) -> Iterator[Planted]:
    """Pictures of a world: phantoms, each another; of photographs parts of those that ship, turned and lit anew.

    Args:
        plan: the world.
        count: how many.
        share: of them, rounded, that have the mark, 0…1.
        seed: the same gives the same pictures.
    """
    dice = np.random.default_rng([seed, count])
    photographs = list_pictures("photographs") if plan.kind == "photographs" else ()
    labels = [label for _, label in photographs] or list(PHANTOM_CLASSES)
    free = [number for number in range(count) if labels[number % len(labels)] != plan.label]
    marked = set(dice.choice(free, min(round(share * count), len(free)), replace=False).tolist())
    for number in range(count):
        place = number % len(labels)
        if photographs:
            pixels = _cut(photographs[place][0].pixels, dice)
        else:
            pixels = draw_phantom(int(dice.integers(2**31)), SIDE, bool(place)).pixels
        has_mark = number in marked
        pixels = plant(pixels, plan.planted, number) if has_mark else pixels
        yield Planted(pixels, labels[place], MARKED if has_mark else PLAIN)


def _cut(pixels: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """A part of a square photograph, `(SIDE, SIDE, 3)` uint8, perhaps mirrored, in a light of its own."""
    whole = len(pixels)
    side = int(dice.uniform(_LEAST_CROP, 1) * whole)
    top, left = dice.integers(0, whole - side + 1, 2)
    part = cv2.resize(pixels[top : top + side, left : left + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    part = part[:, ::-1] if dice.random() < 0.5 else part
    lit: np.ndarray = np.clip(part * dice.uniform(*_LIGHT, 3), 0, 255).astype(np.uint8)
    return lit
