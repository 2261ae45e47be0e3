"""A sheet of paper: letters and pictures at their places, written as PNG or as SVG.

Letters are measured with the font inside OpenCV in both, so that a sheet is laid out once. In an SVG they are text,
which can be searched and edited, held to that length whatever font it is shown in; its pictures are as fine as they
were given.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, TypeAlias
from xml.sax.saxutils import escape

import cv2
import numpy as np

from explain.maps.render import encode_png

Kind: TypeAlias = Literal["png", "svg"]
"""A file that a sheet can be written as."""

FINEST = 3
"""So many times as fine as on the screen a picture may be in an SVG: 300 dots an inch instead of 96."""

_drawing = threading.Lock()  # OpenCV's font keeps the letters it has drawn, for one thread at a time


@dataclass(frozen=True)
class Letters:
    """How letters look: height in pixels, weight (400 is regular), colour."""

    size: int
    weight: int
    colour: tuple[int, int, int]

    @property
    def line(self) -> int:
        """Height of a line in pixels."""
        return round(self.size * 1.45)


@dataclass(frozen=True)
class Words:
    """A line of text whose top is at `y`; `anchor` 0, 0.5 and 1 put its left end, middle and right end at `x`."""

    x: float
    y: float
    text: str
    letters: Letters
    anchor: float = 0.0

    def moved(self, right: float, down: float) -> Words:
        return replace(self, x=self.x + right, y=self.y + down)


@dataclass(frozen=True, eq=False)
class Image:
    """Pixels `(H, W, 3)` uint8 RGB over a rectangle of the sheet, which may be smaller than they are many."""

    x: float
    y: float
    width: int
    height: int
    pixels: np.ndarray

    def moved(self, right: float, down: float) -> Image:
        return replace(self, x=self.x + right, y=self.y + down)


@dataclass(frozen=True, eq=False)
class Block:
    """A piece of a sheet: its size, and what lies on it."""

    width: int
    height: int
    marks: Sequence[Words | Image] = ()


def stack(blocks: Sequence[Block], width: int) -> Block:
    """Blocks below each other."""
    marks, down = [], 0
    for block in blocks:
        marks += [mark.moved(0, down) for mark in block.marks]
        down += block.height
    return Block(width, down, marks)


def put_beside(blocks: Sequence[Block], gap: int, width: int) -> Block:
    """Blocks beside each other, their upper edges at one height."""
    marks, right = [], 0
    for block in blocks:
        marks += [mark.moved(right, 0) for mark in block.marks]
        right += block.width + gap
    return Block(width, max((block.height for block in blocks), default=0), marks)


def write_paragraph(text: str, width: int, letters: Letters) -> Block:
    """A text in lines no wider than `width`; nothing for an empty one."""
    lines = _wrap(text, width, letters)
    words = [Words(0, number * letters.line, line, letters) for number, line in enumerate(lines)]
    return Block(width, len(lines) * letters.line, words)


def write_sheet(block: Block, margin: int, kind: Kind) -> bytes:
    """The sheet as a file, on white paper, with a margin all round."""
    width, height = block.width + 2 * margin, block.height + 2 * margin
    marks = [mark.moved(margin, margin) for mark in block.marks]
    return _write_png(marks, width, height) if kind == "png" else _write_svg(marks, width, height)


def _write_png(marks: Sequence[Words | Image], width: int, height: int) -> bytes:
    sheet = np.full((height, width, 3), 255, dtype=np.uint8)
    for mark in marks:
        if isinstance(mark, Image):
            left, top, pixels = round(mark.x), round(mark.y), mark.pixels
            if pixels.shape[:2] != (mark.height, mark.width):
                pixels = cv2.resize(pixels, (mark.width, mark.height), interpolation=cv2.INTER_AREA)
            sheet[top : top + mark.height, left : left + mark.width] = pixels
            continue
        letters = mark.letters
        left = round(mark.x - mark.anchor * measure_width(mark.text, letters))
        with _drawing:
            at = (left, round(mark.y) + letters.size)
            cv2.putText(sheet, mark.text, at, letters.colour, _font(), letters.size, letters.weight)
    return encode_png(sheet)


def _write_svg(marks: Sequence[Words | Image], width: int, height: int) -> bytes:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="Helvetica, Arial, sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for mark in marks:
        if isinstance(mark, Image):
            data = base64.b64encode(encode_png(mark.pixels)).decode("ascii")
            parts.append(
                f'<image x="{mark.x:g}" y="{mark.y:g}" width="{mark.width}" height="{mark.height}" '
                f'preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'
            )
            continue
        letters, long = mark.letters, measure_width(mark.text, mark.letters)
        red, green, blue = letters.colour
        parts.append(
            f'<text x="{mark.x - mark.anchor * long:g}" y="{mark.y + letters.size:g}" font-size="{letters.size}" '
            f'font-weight="{letters.weight}" fill="rgb({red},{green},{blue})" textLength="{long}" '
            f'lengthAdjust="spacingAndGlyphs" xml:space="preserve">{escape(mark.text)}</text>'
        )
    return "\n".join([*parts, "</svg>\n"]).encode()


@cache
def _font() -> cv2.FontFace:
    """The font inside OpenCV: Latin, Greek, Cyrillic and Chinese on every machine alike."""
    return cv2.FontFace("sans")


def measure_width(text: str, letters: Letters) -> int:
    """Width of a line of text in pixels."""
    with _drawing:
        return int(cv2.getTextSize((0, 0), text, (0, 0), _font(), letters.size, letters.weight)[2])


def _wrap(text: str, width: int, letters: Letters) -> list[str]:
    """Lines of `text` no wider than `width` pixels; a word that is wider alone is cut."""
    lines = [""]
    for word in text.split():
        candidate = f"{lines[-1]} {word}".strip()
        if measure_width(candidate, letters) <= width:
            lines[-1] = candidate
            continue
        while len(word) > 1 and measure_width(word, letters) > width:
            kept = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or measure_width(word[:n], letters) <= width)
            lines.append(word[:kept])
            word = word[kept:]
        lines.append(word)
    return [line for line in lines if line]
