"""A bird's body, part by part, in the units of its own pose."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np

from explain.bundled.birds.canvas import Canvas, Fill, scale
from explain.bundled.birds.dice import Dice
from explain.bundled.birds.shapes import ellipse, ribbon, rotate, smooth
from explain.bundled.birds.species import PLUMAGES, WHITE, Colour, Species

_NECK = np.array([0.35, -0.30])
_HEAD = np.array([0.64, -0.82])
_HEAD_RADIUS = 0.66
_SHOULDER = np.array([0.30, -0.15])
_TAIL_ROOT = np.array([-0.70, 0.26])
_TAIL_ANGLE = 158.0
_BODY = ellipse((0.0, 0.0), (1.02, 0.76), -26)
_CHEST = ellipse((0.24, -0.06), (0.74, 0.74))
_HEAD_BALL = ellipse((0.0, 0.0), (_HEAD_RADIUS, _HEAD_RADIUS))

_BILLS = {
    "cone": smooth([(0.45, -0.24), (0.80, -0.16), (1.14, 0.08), (0.80, 0.24), (0.45, 0.30)]),
    "dagger": smooth([(0.45, -0.20), (0.95, -0.10), (1.62, 0.12), (0.95, 0.20), (0.45, 0.26)]),
}

_MOUTHS = {
    "cone": ribbon(np.array([(0.62, 0.01), (0.80, 0.09), (1.06, 0.09)]), 0.022),
    "dagger": ribbon(np.array([(0.62, 0.01), (0.85, 0.09), (1.5, 0.12)]), 0.022),
}

_CREST = smooth(
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
_EYE_BALL = ellipse((0.0, 0.0), (0.14, 0.15), count=24)
_EYE_RING = ellipse((0.0, 0.0), (0.275, 0.275), count=32)
_GLINT = ellipse((0.0, 0.0), (0.05, 0.05), count=12)
_BLUSH = ellipse((0.02, 0.24), (0.20, 0.14), 10, 24)
_THROAT = ellipse((0.36, 0.50), (0.40, 0.30), -28)

_WING = smooth(
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
    ribbon(_SHOULDER + np.outer(t, _AXIS) + np.outer(low * (1 - 0.5 * t / 1.3), _ACROSS), 0.018)
    for low, t in (
        (0.02, np.linspace(0.75, 1.35, 6)),
        (0.16, np.linspace(0.6, 1.2, 6)),
        (0.30, np.linspace(0.45, 1.0, 6)),
    )
]

_BARS = [
    ribbon(_SHOULDER + np.outer(0.10 - 0.5 * t**2 + far, _AXIS) + np.outer(t, _ACROSS), 0.115)
    for far, t in ((0.24, np.linspace(-0.5, 0.5, 9)), (0.60, np.linspace(-0.5, 0.5, 9)))
]

_SPOTS = [
    ellipse(place, (0.075, 0.105), -20, 14)
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
    "straight": smooth(
        [(-0.1, -0.2), (0.6, -0.23), (1.08, -0.25), (1.22, 0.0), (1.08, 0.25), (0.6, 0.23), (-0.1, 0.2)]
    ),
    "forked": smooth(
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
    "fan": smooth(
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
_VANES = [ribbon(np.array([(0.3, s), (0.62, 1.6 * s), (0.9, 2.2 * s)]), 0.016) for s in (-0.09, 0.09)]

_LEGS = [ribbon(np.array([(x, 0.55), (x + 0.02, 0.8), (x, 1.02)]), 0.045) for x in (0.10, 0.38)] + [
    ribbon(np.array([(x - 0.14, 1.06), (x, 1.0), (x + 0.2, 1.07)]), np.array([0.02, 0.06, 0.025])) for x in (0.10, 0.38)
]

_REACH = np.array([(-2.14, 0.20), (-1.72, 1.38), (2.26, -0.70), (0.60, -2.12), (0.24, 1.2), (-0.22, -1.74)])
"""The farthest that any species comes, so that the place of a bird does not tell its species."""


@dataclass(frozen=True, eq=False)
class Pose:
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
    def throw(cls, dice: Dice, side: float) -> Pose:
        """A pose by chance, so that all of the bird lies on a canvas of that side."""
        lean, mirror = dice.throw(-11, 11), -1.0 if dice.throw() < 0.5 else 1.0
        turned = np.diag([mirror, 1.0]) @ rotate(lean)
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
        return self.body((points + _HEAD - _NECK) @ rotate(self.head).T + _NECK)

    def on_wing(self, points: np.ndarray) -> np.ndarray:
        """In the bird's units, with the wing turned about the shoulder."""
        return self.body((points - _SHOULDER) @ rotate(self.wing).T + _SHOULDER)

    def on_tail(self, points: np.ndarray) -> np.ndarray:
        """From the root of the tail, x along it."""
        return self.body(points @ rotate(_TAIL_ANGLE + self.tail).T + _TAIL_ROOT)


def paint_bird(canvas: Canvas, species: Species, pose: Pose, tint: np.ndarray) -> None:
    """Paint a bird in its pose, back to front, each part into its own mask; `tint` is the light, RGB around 1."""
    family = PLUMAGES[species.plumage]
    back, belly, head, wing, tail = (
        tuple(np.clip(np.array(getattr(family, field.name)) * tint, 0, 255).tolist()) for field in fields(family)
    )

    def across(shape: np.ndarray, light: Colour, dark: Colour) -> Fill:
        """Light above, dark below."""
        middle, low, high = float(shape[:, 0].mean()), float(shape[:, 1].min()), float(shape[:, 1].max())
        return Fill(light, dark, np.array([middle, low]), np.array([middle, high]))

    outline = pose.on_tail(_TAILS[species.tail])
    root, tip = pose.on_tail(np.array([(0.2, 0.0), (1.3, 0.0)]))
    canvas.paint([outline], Fill(tail, scale(tail, 1.25), root, tip), "tail")
    canvas.paint([pose.on_tail(vane) for vane in _VANES], Fill.flat((*scale(tail, 0.6), 0.6)), "tail")
    canvas.paint([pose.body(leg) for leg in _LEGS], Fill.flat((128, 84, 58)), "legs")
    if species.crest:
        shape = pose.on_head(_CREST)
        canvas.paint([shape], across(shape, scale(species.crest, 1.12), scale(species.crest, 0.78)), "crest")
    bill = pose.on_head(_BILLS[species.bill])
    canvas.paint([bill], across(bill, scale(species.bill_colour, 1.15), scale(species.bill_colour, 0.78)), "bill")
    canvas.paint([pose.on_head(_MOUTHS[species.bill])], Fill.flat((*scale(species.bill_colour, 0.45), 0.7)), "bill")

    ball, body = pose.on_head(_HEAD_BALL), pose.body(_BODY)
    neck = cv2.convexHull(np.concatenate([ball, pose.body(_CHEST)]).astype(np.float32))[:, 0]
    silhouette = canvas.cover([body, neck])
    start, end, glow = pose.body(np.array([(-0.25, -0.40), (0.32, 0.42), (0.20, -0.45)]))
    canvas.paint([body, neck], Fill(back, belly, start, end), "body")
    start, end = pose.on_head(np.array([(-0.1, 0.05), (0.15, 0.70)]))
    canvas.paint([ball], Fill((*head, 1.0), (*head, 0.0), start, end), "head", silhouette)
    if species.cap:
        canvas.paint([pose.on_head(_CAP)], Fill.flat(species.cap), "cap", cv2.min(silhouette, canvas.cover([ball])))
    if species.throat:
        shape = pose.on_head(_THROAT)
        canvas.paint(
            [shape], across(shape, scale(species.throat, 1.15), scale(species.throat, 0.85)), "throat", silhouette
        )
    if species.breast_spots:
        spots = [pose.body(spot) for spot in _SPOTS]
        canvas.paint(spots, Fill.flat(species.breast_spots), "breast spots", silhouette)
    # Shades come after what lies under them, so that markings are lit as the body is.
    shade = (44, 28, 66)
    canvas.paint([body, neck], Fill((*shade, 0.0), (*shade, 0.34), glow, radius=1.7 * pose.unit))
    shine = pose.on_head(np.array([(0.05, -0.28)]))[0]
    canvas.paint([ball], Fill((255, 252, 240, 0.22), (255, 252, 240, 0.0), shine, radius=0.5 * pose.unit))

    folded = pose.on_wing(_WING)
    canvas.paint([folded + np.array([0.0, 0.07 * pose.unit])], Fill.flat((*shade, 0.22)), within=silhouette)
    shoulder, tip = pose.on_wing(np.array([(0.35, -0.3), (-1.1, 0.45)]))
    canvas.paint([folded], Fill(scale(wing, 1.22), scale(wing, 0.78), shoulder, tip), "wing")
    if species.wing_bars:
        bars = [pose.on_wing(bar) for bar in _BARS]
        canvas.paint(bars, Fill.flat(species.wing_bars), "wing bars", canvas.cover([folded]))
    canvas.paint([pose.on_wing(quill) for quill in _QUILLS], Fill.flat((*scale(wing, 0.5), 0.55)), "wing")

    canvas.paint([pose.on_head(_BLUSH)], Fill.flat((240, 120, 110, 0.28)))
    if species.eye_ring:
        canvas.paint([pose.on_head(_EYE_RING + _EYE)], Fill.flat(species.eye_ring), "eye ring")
    middle = pose.on_head(_EYE[None])[0]
    canvas.paint(
        [pose.on_head(_EYE_BALL + _EYE)], Fill((62, 42, 34), (16, 12, 16), middle, radius=0.14 * pose.unit), "eye"
    )
    # The glint comes from above on either side.
    canvas.paint([_GLINT * pose.unit + middle + (0.04 * pose.unit, -0.06 * pose.unit)], Fill.flat(WHITE), "eye")
