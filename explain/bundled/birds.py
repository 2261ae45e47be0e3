"""Procedural birds: a world in which the traits that tell the classes apart are known.

Every species is a row of one table of traits. Siblings share a row but for one trait. Scene, pose, place, size and
light are drawn from the seed alone, so that two siblings drawn with one seed differ in nothing but that trait: each is
the other's counterfactual picture. Every picture comes with a mask for every part.

Importing this does not import torch: the pictures are drawn by OpenCV with antialiased edges on a canvas of twice the
size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import combinations
from typing import Literal

import cv2
import numpy as np

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

DEFAULT_SIZE = 96
SMALLEST_SIZE, LARGEST_SIZE = 32, 1024

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


@dataclass(frozen=True, eq=False)
class Bird:
    """A drawn bird.

    Attributes:
        species: its name.
        seed: what scene, pose, place, size and light were drawn from.
        pixels: `(S, S, 3)` uint8 RGB.
        masks: for each of `PARTS` the pixels on which it is seen at all, `(S, S)` bool; edges shared by two parts
            belong to both.
    """

    species: str
    seed: int
    pixels: np.ndarray
    masks: dict[str, np.ndarray]


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


def draw_bird(species: str, seed: int, size: int = DEFAULT_SIZE) -> Bird:
    """Draw a bird; the same for the same species, seed and size.

    Args:
        species: a name in `SPECIES`.
        seed: not negative. Siblings drawn with one seed differ only in the part in which the table says they do.
        size: side of the picture in pixels, 32…1024.

    Raises:
        PictureError: no species is called so, or the size is out of bounds.
    """
    row = find_species(species)
    if not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise PictureError(f"A bird is drawn at {SMALLEST_SIZE} to {LARGEST_SIZE} pixels, not {size}.")
    dice = _Dice(seed)
    pose = _Pose.throw(dice, 2.0 * size)
    canvas = _Canvas(2 * size)
    _paint_scene(canvas, dice, pose)
    tint = 1 + 0.12 * (np.array([dice.throw() for _ in range(3)]) - 0.5)
    _paint_bird(canvas, row, pose, tint)
    light = _throw_light(dice, size)
    pixels = cv2.resize(canvas.pixels, (size, size), interpolation=cv2.INTER_AREA)
    pixels *= light
    seen = canvas.seen[0::2, 0::2] | canvas.seen[1::2, 0::2] | canvas.seen[0::2, 1::2] | canvas.seen[1::2, 1::2]
    masks = {part: (seen & (1 << index)) != 0 for index, part in enumerate(PARTS)}
    return Bird(species, seed, np.clip(np.rint(pixels), 0, 255).astype(np.uint8), masks)


# --- shapes, in the bird's own units: the body is two long, x points where the bird looks, y points down -------------


def _turn(angle: float) -> np.ndarray:
    """The matrix that turns by an angle in degrees, from x towards y."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return np.array([[c, -s], [s, c]])


def _ellipse(
    centre: tuple[float, float], radii: tuple[float, float], angle: float = 0.0, count: int = 40
) -> np.ndarray:
    t = np.linspace(0, 2 * math.pi, count, endpoint=False)
    return np.stack([np.cos(t), np.sin(t)], 1) * radii @ _turn(angle).T + centre


def _smooth(points: Sequence[tuple[float, float]], steps: int = 7) -> np.ndarray:
    """A closed Catmull-Rom curve through the points."""
    p1 = np.array(points, dtype=float)
    p0, p2, p3 = np.roll(p1, 1, 0), np.roll(p1, -1, 0), np.roll(p1, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (p[:, None] for p in (p0, p1, p2, p3))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return curve.reshape(-1, 2)


def _ribbon(points: np.ndarray, half_widths: np.ndarray | float) -> np.ndarray:
    """The outline of a line of varying width along open `points` `(n, 2)`."""
    along = np.gradient(points, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.linalg.norm(along, axis=1, keepdims=True)
    offset = across * np.broadcast_to(np.asarray(half_widths, dtype=float), len(points))[:, None]
    return np.concatenate([points + offset, (points - offset)[::-1]])


_NECK = np.array([0.35, -0.30])
_HEAD = np.array([0.64, -0.82])
_HEAD_RADIUS = 0.66
_SHOULDER = np.array([0.30, -0.15])
_TAIL_ROOT = np.array([-0.70, 0.26])
_TAIL_ANGLE = 158.0
_FEET = np.array([0.24, 1.04])

_BODY = _ellipse((0.0, 0.0), (1.02, 0.76), -26)
_CHEST = _ellipse((0.24, -0.06), (0.74, 0.74))
_HEAD_BALL = _ellipse((0.0, 0.0), (_HEAD_RADIUS, _HEAD_RADIUS))
_BILLS = {
    "cone": _smooth([(0.45, -0.24), (0.80, -0.16), (1.14, 0.08), (0.80, 0.24), (0.45, 0.30)]),
    "dagger": _smooth([(0.45, -0.20), (0.95, -0.10), (1.62, 0.12), (0.95, 0.20), (0.45, 0.26)]),
}
_MOUTHS = {
    "cone": _ribbon(np.array([(0.62, 0.01), (0.80, 0.09), (1.06, 0.09)]), 0.022),
    "dagger": _ribbon(np.array([(0.62, 0.01), (0.85, 0.09), (1.5, 0.12)]), 0.022),
}
_CREST = _smooth(
    [
        (0.32, -0.48),
        (0.22, -0.88),
        (-0.04, -1.30),
        (-0.10, -0.98),
        (-0.50, -1.20),
        (-0.40, -0.86),
        (-0.86, -0.92),
        (-0.62, -0.55),
        (-0.45, -0.20),
    ]
)
_CAP = np.array(
    [(0.75, -0.26), (0.40, -0.36), (0.02, -0.32), (-0.40, -0.14), (-0.75, 0.12), (-0.9, -0.8), (0.0, -1.0), (0.8, -0.8)]
)
_EYE = np.array([0.26, -0.06])
_EYE_BALL = _ellipse((0.0, 0.0), (0.14, 0.15), count=24)
_EYE_RING = _ellipse((0.0, 0.0), (0.275, 0.275), count=32)
_GLINT = _ellipse((0.0, 0.0), (0.05, 0.05), count=12)
_BLUSH = _ellipse((0.02, 0.24), (0.20, 0.14), 10, 24)
_THROAT = _ellipse((0.36, 0.50), (0.40, 0.30), -28)
_WING = _smooth(
    [
        (0.42, -0.12),
        (0.22, -0.42),
        (-0.25, -0.38),
        (-0.75, -0.02),
        (-1.18, 0.46),
        (-0.65, 0.44),
        (-0.05, 0.40),
        (0.32, 0.20),
    ]
)
_AXIS, _ACROSS = np.array([-0.92, 0.39]), np.array([0.39, 0.92])
_QUILLS = [
    _ribbon(_SHOULDER + np.outer(t, _AXIS) + np.outer(low * (1 - 0.5 * t / 1.3), _ACROSS), 0.018)
    for low, t in (
        (0.02, np.linspace(0.75, 1.35, 6)),
        (0.16, np.linspace(0.6, 1.2, 6)),
        (0.30, np.linspace(0.45, 1.0, 6)),
    )
]
_BARS = [
    _ribbon(_SHOULDER + np.outer(0.10 - 0.5 * t**2 + far, _AXIS) + np.outer(t, _ACROSS), 0.115)
    for far, t in ((0.24, np.linspace(-0.5, 0.5, 9)), (0.60, np.linspace(-0.5, 0.5, 9)))
]
_SPOTS = [
    _ellipse(place, (0.075, 0.105), -20, 14)
    for place in (
        (0.56, -0.22),
        (0.80, -0.16),
        (0.68, 0.02),
        (0.90, 0.08),
        (0.50, 0.20),
        (0.76, 0.26),
        (0.58, 0.44),
        (0.34, 0.46),
        (0.40, 0.66),
        (0.14, 0.60),
    )
]
_TAILS = {
    "straight": _smooth(
        [(-0.1, -0.2), (0.6, -0.23), (1.08, -0.25), (1.22, 0.0), (1.08, 0.25), (0.6, 0.23), (-0.1, 0.2)]
    ),
    "forked": _smooth(
        [
            (-0.1, -0.2),
            (0.45, -0.25),
            (0.9, -0.40),
            (1.34, -0.62),
            (1.02, -0.22),
            (0.58, 0.0),
            (1.02, 0.22),
            (1.34, 0.62),
            (0.9, 0.40),
            (0.45, 0.25),
            (-0.1, 0.2),
        ]
    ),
    "fan": _smooth(
        [
            (-0.1, -0.2),
            (0.55, -0.36),
            (0.98, -0.56),
            (1.12, -0.30),
            (1.20, 0.0),
            (1.12, 0.30),
            (0.98, 0.56),
            (0.55, 0.36),
            (-0.1, 0.2),
        ]
    ),
}
_VANES = [_ribbon(np.array([(0.3, s), (0.62, 1.6 * s), (0.9, 2.2 * s)]), 0.016) for s in (-0.09, 0.09)]
_LEGS = [_ribbon(np.array([(x, 0.55), (x + 0.02, 0.8), (x, 1.02)]), 0.045) for x in (0.10, 0.38)] + [
    _ribbon(np.array([(x - 0.14, 1.06), (x, 1.0), (x + 0.2, 1.07)]), np.array([0.02, 0.06, 0.025]))
    for x in (0.10, 0.38)
]
_REACH = np.array([(-2.14, 0.20), (-1.72, 1.38), (2.26, -0.70), (0.60, -2.12), (0.24, 1.2), (-0.22, -1.74)])
"""The farthest that any species comes, so that the place of a bird does not tell its species."""


# --- chance: everything is thrown in one order, whatever the species -------------------------------------------------


class _Dice:
    """Numbers drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.numbers = iter(self.generator.random(192).tolist())

    def throw(self, low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * next(self.numbers)

    def choose(self, count: int) -> int:
        return int(self.throw(0, count))


@dataclass(frozen=True, eq=False)
class _Pose:
    """Where the bird is on the canvas, and how it holds itself.

    Attributes:
        matrix: `(2, 2)` from the bird's units to canvas pixels.
        origin: the middle of the body in canvas pixels.
        unit: canvas pixels of one of the bird's units.
        head, wing, tail: turns in degrees.
    """

    matrix: np.ndarray
    origin: np.ndarray
    unit: float
    head: float
    wing: float
    tail: float

    @classmethod
    def throw(cls, dice: _Dice, side: float) -> _Pose:
        lean, mirror = dice.throw(-11, 11), -1.0 if dice.throw() < 0.5 else 1.0
        turned = np.diag([mirror, 1.0]) @ _turn(lean)
        reach = _REACH @ turned.T
        low, high = reach.min(0), reach.max(0)
        unit = side * min(dice.throw(0.18, 0.22), 0.97 / float((high - low).max()))
        free = side - unit * (high - low)
        origin = free * (dice.throw(0.02, 0.98), dice.throw(0.1, 0.9)) - unit * low
        return cls(unit * turned, origin, unit, dice.throw(-13, 13), dice.throw(-7, 7), dice.throw(-10, 10))

    def body(self, points: np.ndarray) -> np.ndarray:
        """The bird's units to canvas pixels."""
        return points @ self.matrix.T + self.origin

    def on_head(self, points: np.ndarray) -> np.ndarray:
        """From the middle of the head, which turns about the neck."""
        return self.body((points + _HEAD - _NECK) @ _turn(self.head).T + _NECK)

    def on_wing(self, points: np.ndarray) -> np.ndarray:
        """In the bird's units, with the wing turned about the shoulder."""
        return self.body((points - _SHOULDER) @ _turn(self.wing).T + _SHOULDER)

    def on_tail(self, points: np.ndarray) -> np.ndarray:
        """From the root of the tail, x along it."""
        return self.body(points @ _turn(_TAIL_ANGLE + self.tail).T + _TAIL_ROOT)


def _throw_light(dice: _Dice, size: int) -> np.ndarray:
    """What every pixel is multiplied by: brightness, tint, and a soft fall from one side, `(S, S, 3)`."""
    strength, tint = dice.throw(0.84, 1.06), np.array([dice.throw(0.95, 1.05) for _ in range(3)])
    angle, fall = dice.throw(0, 2 * math.pi), dice.throw(0.0, 0.16)
    ramp = np.linspace(-1, 1, size)
    light = 1 + fall * (math.cos(angle) * ramp[None, :] + math.sin(angle) * ramp[:, None])
    return (strength * light[..., None] * tint).astype(np.float32)


# --- painting --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Fill:
    """A colour that changes from `first` to `second`: from `start` to `end`, or out of `start` as far as `radius`."""

    first: Colour
    second: Colour
    start: np.ndarray
    end: np.ndarray | None = None
    radius: float = 0.0

    @classmethod
    def flat(cls, colour: Colour) -> _Fill:
        return cls(colour, colour, np.zeros(2), radius=1.0)

    @property
    def opaque(self) -> bool:
        return all(len(colour) == 3 or colour[3] >= 1 for colour in (self.first, self.second))

    def mix(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray | float]:
        """RGB `(h, w, 3)` and opacity `(h, w, 1)` at columns `x` `(w,)` and rows `y` `(h,)`."""
        first, second = (np.array(colour[:3], np.float32) for colour in (self.first, self.second))
        faint, strong = (float(colour[3]) if len(colour) > 3 else 1.0 for colour in (self.first, self.second))
        if self.first == self.second:
            return first, faint
        # Python's floats leave the arrays in float32, where numpy's would not.
        x0, y0 = self.start.tolist()
        if self.end is not None:
            dx, dy = (self.end - self.start).tolist()
            length = dx * dx + dy * dy
            t = ((x - x0) * (dx / length))[None, :] + ((y - y0) * (dy / length))[:, None]
        else:
            t = ((x - x0) ** 2 / self.radius**2)[None, :] + ((y - y0) ** 2 / self.radius**2)[:, None]
        np.maximum(t, 0, out=t)
        np.minimum(t, 1, out=t)
        t = (t * t * (3 - 2 * t))[..., None]
        opacity = faint if faint == strong else faint + t * (strong - faint)
        return (first if self.first[:3] == self.second[:3] else first + t * (second - first)), opacity


class _Canvas:
    """Pixels `(S, S, 3)` float32, and in `seen` a bit for every part that shows in a pixel."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.pixels = np.empty((side, side, 3), np.float32)
        self.seen = np.zeros((side, side), np.uint16)

    def cover(self, shapes: Sequence[np.ndarray]) -> np.ndarray:
        """How much of each pixel lies in any of the shapes, `(S, S)` uint8."""
        cover = np.zeros((self.side, self.side), np.uint8)
        _fill(cover, shapes, 0, 0)
        return cover

    def paint(
        self, shapes: Sequence[np.ndarray], fill: _Fill, part: str | None = None, within: np.ndarray | None = None
    ) -> None:
        """Fill shapes, given in canvas pixels, where `within` lets them."""
        points = np.concatenate(shapes) if len(shapes) > 1 else shapes[0]
        left, top = np.maximum(np.floor(points.min(0)).astype(int) - 2, 0).tolist()
        right, bottom = np.minimum(np.ceil(points.max(0)).astype(int) + 2, self.side).tolist()
        if left >= right or top >= bottom:
            return
        here = np.s_[top:bottom, left:right]
        cover = np.zeros((bottom - top, right - left), np.uint8)
        _fill(cover, shapes, left, top)
        if within is not None:
            cover = cv2.multiply(cover, within[here], scale=1 / 255)
        colour, opacity = fill.mix(
            np.arange(left, right, dtype=np.float32) + 0.5, np.arange(top, bottom, dtype=np.float32) + 0.5
        )
        target = self.pixels[here]
        change = colour - target
        change *= (cover[..., None] * np.float32(1 / 255)) * opacity
        target += change
        if fill.opaque:
            self.seen[here] *= cover != 255
        if part is not None:
            self.seen[here] |= (cover != 0) * np.uint16(1 << PARTS.index(part))


def _fill(cover: np.ndarray, shapes: Sequence[np.ndarray], left: float, top: float) -> None:
    for shape in shapes:
        points = np.rint((shape - (left + 0.5, top + 0.5)) * 16).astype(np.int32)
        cv2.fillPoly(cover, [points], 255, cv2.LINE_AA, 4)


def _scale(colour: Colour, factor: float) -> Colour:
    return tuple(min(255.0, value * factor) for value in colour[:3])


def _paint_bird(canvas: _Canvas, species: Species, pose: _Pose, tint: np.ndarray) -> None:
    family = PLUMAGES[species.plumage]
    back, belly, head, wing, tail = (
        tuple(np.clip(np.array(getattr(family, field.name)) * tint, 0, 255).tolist()) for field in fields(family)
    )

    def across(shape: np.ndarray, light: Colour, dark: Colour) -> _Fill:
        """Light above, dark below."""
        middle, low, high = float(shape[:, 0].mean()), float(shape[:, 1].min()), float(shape[:, 1].max())
        return _Fill(light, dark, np.array([middle, low]), np.array([middle, high]))

    outline = pose.on_tail(_TAILS[species.tail])
    root, tip = pose.on_tail(np.array([(0.2, 0.0), (1.3, 0.0)]))
    canvas.paint([outline], _Fill(tail, _scale(tail, 1.25), root, tip), "tail")
    canvas.paint([pose.on_tail(vane) for vane in _VANES], _Fill.flat((*_scale(tail, 0.6), 0.6)), "tail")
    canvas.paint([pose.body(leg) for leg in _LEGS], _Fill.flat((128, 84, 58)), "legs")
    if species.crest:
        shape = pose.on_head(_CREST)
        canvas.paint([shape], across(shape, _scale(species.crest, 1.12), _scale(species.crest, 0.78)), "crest")
    bill = pose.on_head(_BILLS[species.bill])
    canvas.paint([bill], across(bill, _scale(species.bill_colour, 1.15), _scale(species.bill_colour, 0.78)), "bill")
    canvas.paint([pose.on_head(_MOUTHS[species.bill])], _Fill.flat((*_scale(species.bill_colour, 0.45), 0.7)), "bill")

    ball, body = pose.on_head(_HEAD_BALL), pose.body(_BODY)
    neck = cv2.convexHull(np.concatenate([ball, pose.body(_CHEST)]).astype(np.float32))[:, 0]
    silhouette = canvas.cover([body, neck])
    start, end, glow = pose.body(np.array([(-0.25, -0.40), (0.32, 0.42), (0.20, -0.45)]))
    canvas.paint([body, neck], _Fill(back, belly, start, end), "body")
    start, end = pose.on_head(np.array([(-0.1, 0.05), (0.15, 0.70)]))
    canvas.paint([ball], _Fill((*head, 1.0), (*head, 0.0), start, end), "head", silhouette)
    if species.cap:
        canvas.paint([pose.on_head(_CAP)], _Fill.flat(species.cap), "cap", cv2.min(silhouette, canvas.cover([ball])))
    if species.throat:
        shape = pose.on_head(_THROAT)
        canvas.paint(
            [shape], across(shape, _scale(species.throat, 1.15), _scale(species.throat, 0.85)), "throat", silhouette
        )
    if species.breast_spots:
        spots = [pose.body(spot) for spot in _SPOTS]
        canvas.paint(spots, _Fill.flat(species.breast_spots), "breast spots", silhouette)
    # Shades come after what lies under them, so that markings are lit as the body is.
    shade = (44, 28, 66)
    canvas.paint([body, neck], _Fill((*shade, 0.0), (*shade, 0.34), glow, radius=1.7 * pose.unit))
    shine = pose.on_head(np.array([(0.05, -0.28)]))[0]
    canvas.paint([ball], _Fill((255, 252, 240, 0.22), (255, 252, 240, 0.0), shine, radius=0.5 * pose.unit))

    folded = pose.on_wing(_WING)
    canvas.paint([folded + np.array([0.0, 0.07 * pose.unit])], _Fill.flat((*shade, 0.22)), within=silhouette)
    shoulder, tip = pose.on_wing(np.array([(0.35, -0.3), (-1.1, 0.45)]))
    canvas.paint([folded], _Fill(_scale(wing, 1.22), _scale(wing, 0.78), shoulder, tip), "wing")
    if species.wing_bars:
        bars = [pose.on_wing(bar) for bar in _BARS]
        canvas.paint(bars, _Fill.flat(species.wing_bars), "wing bars", canvas.cover([folded]))
    canvas.paint([pose.on_wing(quill) for quill in _QUILLS], _Fill.flat((*_scale(wing, 0.5), 0.55)), "wing")

    canvas.paint([pose.on_head(_BLUSH)], _Fill.flat((240, 120, 110, 0.28)))
    if species.eye_ring:
        canvas.paint([pose.on_head(_EYE_RING + _EYE)], _Fill.flat(species.eye_ring), "eye ring")
    middle = pose.on_head(_EYE[None])[0]
    canvas.paint(
        [pose.on_head(_EYE_BALL + _EYE)], _Fill((62, 42, 34), (16, 12, 16), middle, radius=0.14 * pose.unit), "eye"
    )
    # The glint comes from above on either side.
    canvas.paint([_GLINT * pose.unit + middle + (0.04 * pose.unit, -0.06 * pose.unit)], _Fill.flat(WHITE), "eye")


# --- the scene -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scene:
    """Colours of a place: the sky above and below, blurred lights, hills, leaves, and what the bird sits on."""

    above: Colour
    below: Colour
    lights: tuple[Colour, ...]
    flat: bool  # clouds and ripples rather than discs
    hills: tuple[Colour, ...]
    leaves: tuple[Colour, ...]
    ground: Colour


_SCENES = (
    _Scene((150, 200, 236), (232, 243, 246), (WHITE, (240, 248, 252)), True, ((176, 204, 190), (146, 184, 150)),
           ((104, 156, 84), (134, 182, 98)), (150, 186, 104)),
    _Scene((104, 146, 96), (176, 202, 136), ((206, 226, 150), (142, 182, 112), (238, 240, 190)), False, (),
           ((84, 132, 70), (120, 164, 84)), (128, 158, 84)),
    _Scene((250, 206, 178), (255, 240, 214), ((255, 246, 226), (252, 222, 196)), True,
           ((226, 186, 178), (196, 160, 164)), ((156, 142, 92), (182, 164, 104)), (204, 178, 124)),
    _Scene((196, 222, 228), (110, 164, 184), ((220, 238, 240), (150, 196, 208)), True, ((136, 176, 164),),
           ((98, 146, 98), (130, 170, 104)), (196, 184, 142)),
    _Scene((122, 116, 168), (238, 184, 170), ((250, 208, 176), (176, 150, 190)), True, ((128, 112, 152), (98, 90, 130)),
           ((92, 108, 96), (112, 124, 100)), (116, 112, 122)),
    _Scene((214, 226, 238), (244, 247, 250), (WHITE, (226, 234, 244)), False, ((204, 216, 228), (186, 202, 216)),
           ((126, 146, 140), (150, 168, 158)), (240, 244, 250)),
    _Scene((196, 132, 76), (242, 206, 142), ((250, 216, 140), (226, 150, 84), (252, 234, 186)), False, (),
           ((204, 108, 52), (226, 156, 62)), (190, 148, 92)),
)  # fmt: skip

_COARSE = 40
_LEAF = _smooth([(0.0, 0.0), (0.3, -0.24), (0.65, -0.22), (1.0, 0.0), (0.65, 0.22), (0.3, 0.24)], 4)


def _paint_scene(canvas: _Canvas, dice: _Dice, pose: _Pose) -> None:
    side = canvas.side
    scene = _SCENES[dice.choose(len(_SCENES))]
    _paint_air(canvas, dice, scene)
    x = np.linspace(-0.05, 1.05, 28) * side
    horizon = dice.throw(0.5, 0.74)
    for number, colour in enumerate(scene.hills):
        level, height, waves, phase = (
            horizon + 0.12 * number,
            dice.throw(0.02, 0.07),
            dice.throw(3, 8),
            dice.throw(0, 2 * math.pi),
        )
        y = side * (level - height * np.sin(waves * x / side + phase))
        hill = np.concatenate([np.stack([x, y], 1), [(1.05 * side, 1.05 * side), (-0.05 * side, 1.05 * side)]])
        top = np.array([0.0, side * (level - height)])
        canvas.paint([hill], _Fill(colour, _scale(colour, 1.12), top, top + np.array([0.0, 0.5 * side])))
    feet = pose.body(_FEET)
    if dice.throw() < 0.6:
        _paint_branch(canvas, dice, scene, feet, pose.unit)
    else:
        _paint_ground(canvas, dice, scene, feet, pose.unit)


def _paint_air(canvas: _Canvas, dice: _Dice, scene: _Scene) -> None:
    """Sky and blurred lights, on a coarse grid that is enlarged: out of focus at every size."""
    ramp = np.linspace(0, 1, _COARSE, dtype=np.float32)
    above, below = np.array(scene.above, np.float32), np.array(scene.below, np.float32)
    air = np.repeat((above + ramp[:, None] * (below - above))[:, None], _COARSE, axis=1)
    for number in range(8):
        cx, cy, radius, strength = dice.throw(), dice.throw(), dice.throw(0.05, 0.17), dice.throw(0.2, 0.65)
        wide, high = (radius * 1.9, radius * 0.42) if scene.flat else (radius, radius)
        distance = np.sqrt((((ramp - cx) / wide) ** 2)[None, :] + (((ramp - cy) / high) ** 2)[:, None])
        cover = np.clip((1 - distance) * (1.2 if scene.flat else 3.0), 0, 1) * strength
        colour = np.array(scene.lights[number % len(scene.lights)], np.float32)
        air += cover[..., None] * (colour - air)
    cv2.resize(air, (canvas.side, canvas.side), dst=canvas.pixels, interpolation=cv2.INTER_CUBIC)


def _paint_branch(canvas: _Canvas, dice: _Dice, scene: _Scene, feet: np.ndarray, unit: float) -> None:
    side = canvas.side
    slope, bend, half = dice.throw(-0.16, 0.16), dice.throw(-0.18, 0.18), dice.throw(0.10, 0.17) * unit
    x = np.linspace(-0.06, 1.06, 24) * side
    away = x - feet[0]
    y = feet[1] + 0.9 * half + slope * away + bend * away**2 / side
    thickness = half * np.linspace(dice.throw(0.7, 1.3), dice.throw(0.7, 1.3), 24)
    line = np.stack([x, y], 1)
    for _ in range(9):
        place = line[2 + dice.choose(20)]
        length, angle, shade = dice.throw(0.45, 0.85) * unit, dice.throw(0, 360), dice.throw(0.88, 1.12)
        _paint_leaf(canvas, scene.leaves[dice.choose(len(scene.leaves))], place, length, angle, shade)
    bark = (128 * dice.throw(0.85, 1.15), 98 * dice.throw(0.9, 1.1), 76)
    normal = np.array([-slope, 1.0]) * half
    middle = np.array([feet[0], feet[1] + 0.9 * half])
    canvas.paint(
        [_ribbon(line, thickness)], _Fill(_scale(bark, 1.25), _scale(bark, 0.66), middle - normal, middle + normal)
    )


def _paint_leaf(canvas: _Canvas, colour: Colour, place: np.ndarray, length: float, angle: float, shade: float) -> None:
    turn = length * _turn(angle).T
    colour = _scale(colour, shade)
    tip = np.array([1.0, 0.0]) @ turn + place
    canvas.paint([_LEAF @ turn + place], _Fill(_scale(colour, 0.84), _scale(colour, 1.14), place, tip))


def _paint_ground(canvas: _Canvas, dice: _Dice, scene: _Scene, feet: np.ndarray, unit: float) -> None:
    side = canvas.side
    slope, waves, phase = dice.throw(-0.10, 0.10), dice.throw(4, 9), dice.throw(0, 2 * math.pi)
    x = np.linspace(-0.05, 1.05, 32) * side

    def level(at: np.ndarray) -> np.ndarray:
        ripple = np.sin(waves * at / side + phase) - math.sin(waves * feet[0] / side + phase)
        return feet[1] - 0.02 * unit + slope * (at - feet[0]) + 0.012 * side * ripple

    shade = dice.throw(0.9, 1.1)
    for number in range(14):
        base, height, lean = dice.throw(0, side), dice.throw(0.25, 0.7) * unit, dice.throw(-0.3, 0.3) * unit
        foot = np.array([base, float(level(np.array([base]))[0]) + 0.05 * unit])
        blade = foot + np.array([(-0.06 * unit, 0.0), (lean, -height), (0.06 * unit, 0.0)])
        canvas.paint([blade], _Fill.flat(_scale(scene.leaves[number % len(scene.leaves)], shade)))
    hill = np.concatenate([np.stack([x, level(x)], 1), [(1.05 * side, 1.05 * side), (-0.05 * side, 1.05 * side)]])
    start = np.array([feet[0], feet[1] - 0.1 * unit])
    ground = _scale(scene.ground, shade)
    canvas.paint([hill], _Fill(_scale(ground, 1.06), _scale(ground, 0.8), start, start + np.array([0.0, 1.6 * unit])))
    under = feet + np.array([0.0, 0.06 * unit])
    shadow = _ellipse((0.0, 0.0), (0.9 * unit, 0.14 * unit)) + under
    canvas.paint([shadow], _Fill((40, 36, 56, 0.30), (40, 36, 56, 0.0), under, radius=0.9 * unit))


def draw_batch(seeds: Sequence[int], grid: int) -> tuple[np.ndarray, np.ndarray]:
    """One bird for each seed, its species being the seed modulo their number.

    Returns:
        Pictures `(N, S, S, 3)` uint8 at the default size, and which parts cover at least a sixth of each cell of a
        grid laid on them, `(N, grid, grid, parts)` bool.
    """
    cv2.setNumThreads(1)
    birds = [draw_bird(SPECIES[seed % len(SPECIES)].name, seed) for seed in seeds]
    masks = np.stack([np.stack([bird.masks[part] for part in PARTS], axis=-1) for bird in birds])
    cell = DEFAULT_SIZE // grid
    shares = masks.reshape(len(birds), grid, cell, grid, cell, len(PARTS)).mean((2, 4), dtype=np.float32)
    return np.stack([bird.pixels for bird in birds]), shares >= 1 / 6
