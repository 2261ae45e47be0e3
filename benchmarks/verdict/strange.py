"""Pictures that no model of photographs learned from, drawn from a seed: noise, text, line drawings, charts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

_FONTS = Path("/usr/share/fonts")
_WORDS = [
    *("the", "of", "and", "a", "model", "sees", "light", "on", "water", "under", "old", "trees", "while", "small"),
    *("birds", "sing", "early", "in", "morning", "report", "patient", "chest", "view", "normal", "heart", "lungs"),
    *("clear", "result", "figure", "table", "number", "total", "invoice", "date", "name", "address", "price", "page"),
]


def draw_noise(seed: int, size: int = 256) -> np.ndarray:
    """One of six kinds in turn: uniform, Gaussian, smooth, a checkerboard, grey, black and white."""
    rng = np.random.default_rng(seed)
    kinds: list[Callable[[], np.ndarray]] = [
        lambda: rng.integers(0, 256, (size, size, 3)),
        lambda: rng.normal(rng.uniform(80, 180), rng.uniform(25, 70), (size, size, 3)),
        lambda: _enlarge(rng.random((cells := int(rng.integers(4, 40)), cells, 3)) * 255, size),
        lambda: _lay_squares(rng, size),
        lambda: np.repeat(rng.integers(0, 256, (size, size, 1)), 3, 2),
        lambda: np.repeat((rng.random((size, size, 1)) < rng.uniform(0.2, 0.8)) * 255, 3, 2),
    ]
    return np.clip(kinds[seed % len(kinds)](), 0, 255).astype(np.uint8)


def _enlarge(cells: np.ndarray, size: int) -> np.ndarray:
    return cv2.resize(cells.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)


def _lay_squares(rng: np.random.Generator, size: int) -> np.ndarray:
    first, second = rng.integers(0, 256, (2, 3))
    if np.abs(first - second).max() < 60:
        first, second = np.zeros(3), np.full(3, 255)
    place = np.arange(size) // int(rng.integers(2, 40))
    return np.where(((place[:, None] + place) % 2)[..., None], first, second)


def draw_page(seed: int) -> np.ndarray:
    """Lines of words, in a font, size and colours of its own; two in five are light on dark."""
    rng = np.random.default_rng(seed)
    image, draw, ink, _ = _begin(rng)
    font = _choose_font(rng, 11, 42)
    width, height = image.size
    margin, step = int(rng.integers(8, 40)), font.size * rng.uniform(1.15, 1.7)
    y = float(margin)
    while y < height - margin:
        line = _choose_word(rng)
        while font.getlength(longer := f"{line} {_choose_word(rng)}") < width - 2 * margin:
            line = longer
        draw.text((margin, y), line, ink, font)
        y += step
    return np.asarray(image)


def draw_lines(seed: int) -> np.ndarray:
    """Ellipses, polygons, rectangles and arcs, not filled."""
    rng = np.random.default_rng(seed)
    image, draw, ink, _ = _begin(rng)
    (width, height), thick = image.size, int(rng.integers(2, 8))
    for _ in range(int(rng.integers(5, 22))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        across, down = rng.uniform(15, width / 3), rng.uniform(15, height / 3)
        box = (x - across, y - down, x + across, y + down)
        corners = [(float(a), float(b)) for a, b in rng.uniform(0, image.size, (int(rng.integers(2, 6)), 2))]
        start, stop = sorted(map(float, rng.uniform(0, 360, 2)))
        shapes: list[Callable[[], None]] = [
            lambda box=box: draw.ellipse(box, outline=ink, width=thick),
            lambda corners=corners: draw.line(corners, ink, thick),
            lambda box=box: draw.rectangle(box, outline=ink, width=thick),
            lambda box=box, start=start, stop=stop: draw.arc(box, start, stop, ink, thick),
        ]
        shapes[int(rng.integers(len(shapes)))]()
    return np.asarray(image)


def draw_chart(seed: int) -> np.ndarray:
    """Bars, lines or points on axes, with a title and a grid."""
    rng = np.random.default_rng(seed)
    image, draw, ink, paper = _begin(rng)
    font = _choose_font(rng, 11, 18)
    left, top, right, bottom = 50, 40, image.width - 20, image.height - 40
    faint = tuple(round(0.8 * p + 0.2 * i) for p, i in zip(paper, ink, strict=True))
    for tick in range(6):
        y = bottom - tick * (bottom - top) / 6
        draw.line([(left, y), (right, y)], faint)
        draw.text((8, y - 8), str(10 * tick), ink, font)
    draw.line([(left, top), (left, bottom), (right, bottom)], ink, 2)
    draw.text((left, 8), " ".join(_choose_word(rng) for _ in range(3)), ink, font)
    for series in range(int(rng.integers(1, 4))):
        colour = tuple(map(int, rng.integers(30, 230, 3)))
        if seed % 3 == 0:
            count = int(rng.integers(4, 14))
            step = (right - left) / count
            for bar in range(series, count, 3):
                x, y = left + bar * step, bottom - rng.uniform(0.05, 1) * (bottom - top)
                draw.rectangle((x + 3, y, x + step - 3, bottom), fill=colour)
        elif seed % 3 == 1:
            walk = np.cumsum(rng.normal(0, 1, 40))
            walk = (walk - walk.min()) / np.ptp(walk)
            points = [(left + n * (right - left) / 39, bottom - v * (bottom - top)) for n, v in enumerate(walk)]
            draw.line(points, colour, int(rng.integers(2, 5)))
        else:
            for across, up in rng.normal(rng.uniform(0.2, 0.8, 2), 0.12, (int(rng.integers(20, 90)), 2)):
                x, y = left + across * (right - left), bottom - up * (bottom - top)
                draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour)
    return np.asarray(image)


def _begin(rng: np.random.Generator) -> tuple[Image.Image, ImageDraw.ImageDraw, Colour, Colour]:
    """An empty sheet of some size, a pen for it, and the colours of ink and paper."""
    size = tuple(map(int, rng.integers(300, 900, 2)))
    light = rng.random() < 0.6
    paper, ink = (rng.integers(*ends, 3) for ends in (((180, 256), (0, 90)) if light else ((0, 45), (170, 256))))
    image = Image.new("RGB", (size[0], size[1]), _name(paper))
    return image, ImageDraw.Draw(image), _name(ink), _name(paper)


def _name(colour: np.ndarray) -> Colour:
    red, green, blue = map(int, colour)
    return red, green, blue


def _choose_word(rng: np.random.Generator) -> str:
    return _WORDS[int(rng.integers(len(_WORDS)))]


def _choose_font(rng: np.random.Generator, least: int, most: int) -> ImageFont.FreeTypeFont:
    size = int(rng.integers(least, most))
    paths = _list_fonts()
    if not paths:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font
    return ImageFont.truetype(paths[int(rng.integers(len(paths)))], size)


@cache
def _list_fonts() -> list[Path]:
    return sorted(path for path in _FONTS.rglob("DejaVu*.ttf") if "Math" not in path.name)
