"""What is around a bird: air, ground, branch and leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from explain.bundled.birds.body import Pose
from explain.bundled.birds.canvas import Canvas, Fill, scale
from explain.bundled.birds.dice import Dice
from explain.bundled.birds.shapes import ellipse, ribbon, rotate, smooth
from explain.bundled.birds.species import WHITE, Colour

_FEET = np.array([0.24, 1.04])


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
_LEAF = smooth([(0.0, 0.0), (0.3, -0.24), (0.65, -0.22), (1.0, 0.0), (0.65, 0.22), (0.3, 0.24)], 4)


def paint_scene(canvas: Canvas, dice: Dice, pose: Pose) -> None:
    """Paint what is behind and below a bird, by chance."""
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
        canvas.paint([hill], Fill(colour, scale(colour, 1.12), top, top + np.array([0.0, 0.5 * side])))
    feet = pose.body(_FEET)
    if dice.throw() < 0.6:
        _paint_branch(canvas, dice, scene, feet, pose.unit)
    else:
        _paint_ground(canvas, dice, scene, feet, pose.unit)


def _paint_air(canvas: Canvas, dice: Dice, scene: _Scene) -> None:
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


def _paint_branch(canvas: Canvas, dice: Dice, scene: _Scene, feet: np.ndarray, unit: float) -> None:
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
        [ribbon(line, thickness)], Fill(scale(bark, 1.25), scale(bark, 0.66), middle - normal, middle + normal)
    )


def _paint_leaf(canvas: Canvas, colour: Colour, place: np.ndarray, length: float, angle: float, shade: float) -> None:
    turn = length * rotate(angle).T
    colour = scale(colour, shade)
    tip = np.array([1.0, 0.0]) @ turn + place
    canvas.paint([_LEAF @ turn + place], Fill(scale(colour, 0.84), scale(colour, 1.14), place, tip))


def _paint_ground(canvas: Canvas, dice: Dice, scene: _Scene, feet: np.ndarray, unit: float) -> None:
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
        canvas.paint([blade], Fill.flat(scale(scene.leaves[number % len(scene.leaves)], shade)))
    hill = np.concatenate([np.stack([x, level(x)], 1), [(1.05 * side, 1.05 * side), (-0.05 * side, 1.05 * side)]])
    start = np.array([feet[0], feet[1] - 0.1 * unit])
    ground = scale(scene.ground, shade)
    canvas.paint([hill], Fill(scale(ground, 1.06), scale(ground, 0.8), start, start + np.array([0.0, 1.6 * unit])))
    under = feet + np.array([0.0, 0.06 * unit])
    shadow = ellipse((0.0, 0.0), (0.9 * unit, 0.14 * unit)) + under
    canvas.paint([shadow], Fill((40, 36, 56, 0.30), (40, 36, 56, 0.0), under, radius=0.9 * unit))
