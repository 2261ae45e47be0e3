"""A canvas of twice the size on which OpenCV paints shapes, and a mask for every part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from explain.bundled.birds.species import PARTS, Colour


@dataclass(frozen=True, eq=False)
class Fill:
    """A colour that changes from `first` to `second`: from `start` to `end`, or out of `start` as far as `radius`."""

    first: Colour
    second: Colour
    start: np.ndarray
    end: np.ndarray | None = None
    radius: float = 0.0

    @classmethod
    def flat(cls, colour: Colour) -> Fill:
        """One colour everywhere."""
        return cls(colour, colour, np.zeros(2), radius=1.0)

    @property
    def opaque(self) -> bool:
        """Whether nothing below shows through."""
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


class Canvas:
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
        self, shapes: Sequence[np.ndarray], fill: Fill, part: str | None = None, within: np.ndarray | None = None
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


def scale(colour: Colour, factor: float) -> Colour:
    """A brighter or darker colour, RGB 0…255."""
    return tuple(min(255.0, value * factor) for value in colour[:3])
