"""Drawn chest radiographs: no patient's, and known to the last pixel.

They stand in for real ones because here it is certain whether there is an opacity, and where.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

CLASSES = ("clear", "opacity")
"""What a phantom shows: nothing but a chest, or a soft white spot in one lung as well."""

_GRAIN = 32  # rows and columns of the noise, whatever the size of the picture


@dataclass(frozen=True, eq=False)
class Phantom:
    """A drawn radiograph.

    Attributes:
        pixels: `(S, S, 3)` uint8, grey.
        label: one of `CLASSES`.
        finding: where the opacity is, `(S, S)` bool; nowhere in a clear one.
    """

    pixels: np.ndarray
    label: str
    finding: np.ndarray


def draw_phantom(seed: int, size: int, opacity: bool) -> Phantom:
    """A chest as no other, of the given size. The same seed gives the same chest at every size.

    Args:
        seed: of the chest, and of the opacity.
        size: side in pixels.
        opacity: whether there is one.
    """
    dice = np.random.default_rng(seed)
    y, x = (axis / size * 2 - 1 for axis in np.mgrid[0.5:size, 0.5:size])
    x = x - dice.uniform(-0.08, 0.08)
    wide, high = dice.uniform(0.9, 1.1, 2)
    lean, top = dice.uniform(-0.06, 0.06), dice.uniform(-0.12, 0.02)

    body = _soft(1 - (x / (0.97 * wide)) ** 4 - (0.45 * (y - 0.6)) ** 4, 0.08)
    heart = _soft(1 - ((x - 0.12) / (0.3 * wide)) ** 2 - ((y - 0.34 - top) / 0.34) ** 2, 0.5)
    lungs = np.zeros_like(x)
    for side in (-1, 1):
        width = (0.28 + 0.09 * np.clip(y + 0.3, -0.5, 0.6)) * wide
        across = (x - side * 0.42 * wide - lean * y) / width
        along = (y - top + 0.05) / (0.72 * high)
        floor = _soft(0.56 * high + top - y + side * 0.03 - 0.2 * across**2, 0.08)
        lungs = np.maximum(lungs, _soft(1 - across**2 - np.abs(along) ** 3, 0.35) * floor)
    lungs = lungs * (1 - 0.9 * heart)
    ribs = 0.5 + 0.5 * np.sin((y - 0.5 * (np.abs(x) - 0.5) ** 2) * dice.uniform(17, 22) + dice.uniform(0, 6))
    spine = np.exp(-(((x - lean * y) / 0.1) ** 2)) * (0.85 + 0.15 * np.sin(y * 24))

    grey = 0.56 * body - 0.4 * lungs + 0.1 * ribs**2 * (0.3 + 0.7 * lungs) * body + (0.14 * spine + 0.1 * heart) * body
    finding = np.zeros_like(x, dtype=bool)
    side = dice.choice((-1, 1))
    down, across, radius, strength = dice.uniform((-0.4, 0.35, 0.13, 0.13), (0.35, 0.52, 0.2, 0.24))
    if opacity:
        distance = ((x - side * across * wide) ** 2 + (y - down * high - top) ** 2) / radius**2
        grey = grey + strength * np.exp(-distance) * np.maximum(lungs, 0.3)
        finding = distance < 1
    grain = dice.normal(0, 1, (_GRAIN, _GRAIN)).astype(np.float32)
    noise = cv2.resize(grain, (size, size), interpolation=cv2.INTER_CUBIC)
    grey = (grey + 0.018 * noise) * dice.uniform(0.9, 1.1) + dice.uniform(0.02, 0.1)
    pixels = np.clip(np.rint(grey * 255), 0, 255).astype(np.uint8)
    return Phantom(np.repeat(pixels[:, :, None], 3, axis=2), CLASSES[int(opacity)], finding)


def _soft(inside: np.ndarray, width: float) -> np.ndarray:
    """1 where a value is well above 0, 0 where it is well below, with a soft edge of that width."""
    edge: np.ndarray = 1 / (1 + np.exp(-np.clip(inside / width * 4, -30, 30)))
    return edge
