"""A figure for the paper: rows of panes with headings, colour bars and notes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np

from explain.maps.render import COLOUR_TABLES, DIVERGING, RenderSettings, encode_png, format_number, is_flat, overlay
from explain.pictures.geometry import Box

DISCLAIMER = "Not for diagnostic use"
_NOWHERE = Box.whole((1, 1))  # of a pane without a map


@dataclass(frozen=True, eq=False)
class FigurePane:
    """One picture of the figure.

    Attributes:
        title: the method's name, or what the picture is.
        subtitle: class, layer, whatever names the map.
        pixels: `(H, W, 3)` uint8 RGB.
        values: the raw map `(h, w)`, or None for the plain picture.
        box: where the map lies, see `place`.
        low: value of the first colour.
        high: value of the last one.
        note: warnings and why a map is missing.
    """

    title: str
    subtitle: str
    pixels: np.ndarray
    values: np.ndarray | None = None
    box: Box = _NOWHERE
    low: float = 0.0
    high: float = 0.0
    note: str = ""

    def fitted(self) -> FigurePane:
        """The same with its picture no larger than the figure draws it, where it waits for others."""
        size, fitted = self.pixels.shape[:2], _fit(self.pixels)
        if fitted[0] * fitted[1] >= size[0] * size[1]:
            return self
        return replace(self, pixels=_resize(self.pixels), box=self.box.resized(size, fitted))


@dataclass(frozen=True, eq=False)
class FigureRow:
    """One picture with its maps. `label` names it, and `caution` says below that why little is to be made of it."""

    label: str
    panes: Sequence[FigurePane]
    caution: str = ""


@dataclass(frozen=True)
class _Style:
    """Letters: height in pixels, weight (400 is regular), colour."""

    size: int
    weight: int
    colour: tuple[int, int, int]

    @property
    def line(self) -> int:
        """Height of a line in pixels."""
        return round(self.size * 1.45)


_INK, _MUTED, _AMBER = (23, 26, 31), (88, 95, 106), (146, 64, 0)
_HEADING, _LABEL, _TITLE = _Style(24, 600, _INK), _Style(19, 600, _INK), _Style(17, 600, _INK)
_TEXT, _NUMBERS, _NOTE = _Style(14, 400, _MUTED), _Style(13, 400, _MUTED), _Style(14, 500, _AMBER)
_CAUTION, _STAMP, _FOOTER = _Style(16, 600, _AMBER), _Style(17, 700, _AMBER), _Style(22, 700, _AMBER)
_CELL, _GAP, _MARGIN, _BAR = 384, 24, 32, 10
_TALLEST = 1.5  # of the cell's width
_drawing = threading.Lock()  # OpenCV's font keeps the letters it has drawn, for one thread at a time


def figure(rows: Sequence[FigureRow], settings: RenderSettings, title: str = "", footer: str = DISCLAIMER) -> bytes:
    """The grid as one PNG: a row for each picture, a column for each map, with colour bars and what must be said.

    Args:
        rows: what to draw. Rows may differ in length.
        settings: how the maps are coloured.
        title: written on top.
        footer: written at the bottom.
    """
    columns = max((len(row.panes) for row in rows), default=1)
    width = columns * _CELL + (columns - 1) * _GAP
    with _drawing:
        strips = [_draw_text(title, width, _HEADING), _space(_GAP // 2, width)] if title else []
        for row in rows:
            strips += [_draw_label(row.label, width), _draw_text(row.caution, width, _CAUTION), _space(6, width)]
            strips += [_draw_row(row, width, settings), _space(_GAP, width)]
        strips.append(_draw_text(footer, width, _FOOTER))
    sheet = np.concatenate(strips)
    return encode_png(np.pad(sheet, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), constant_values=255))


@cache
def _font() -> cv2.FontFace:
    """The font inside OpenCV: Latin, Greek, Cyrillic and Chinese on every machine alike."""
    return cv2.FontFace("sans")


def _measure(text: str, style: _Style) -> int:
    """Width of a line of text in pixels."""
    return int(cv2.getTextSize((0, 0), text, (0, 0), _font(), style.size, style.weight)[2])


def _write(sheet: np.ndarray, text: str, x: float, y: int, style: _Style, anchor: float = 0.0) -> None:
    """Write a line whose top is at `y`; `anchor` 0, 0.5 and 1 put its left end, middle and right end at `x`."""
    left = round(x - anchor * _measure(text, style))
    cv2.putText(sheet, text, (left, y + style.size), style.colour, _font(), style.size, style.weight)


def _wrap(text: str, width: int, style: _Style) -> list[str]:
    """Lines of `text` no wider than `width` pixels; a word that is wider alone is cut."""
    lines = [""]
    for word in text.split():
        candidate = f"{lines[-1]} {word}".strip()
        if _measure(candidate, style) <= width:
            lines[-1] = candidate
            continue
        while len(word) > 1 and _measure(word, style) > width:
            kept = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or _measure(word[:n], style) <= width)
            lines.append(word[:kept])
            word = word[kept:]
        lines.append(word)
    return [line for line in lines if line]


def _space(height: int, width: int) -> np.ndarray:
    """White paper, `(height, width, 3)`."""
    return np.full((height, width, 3), 255, dtype=np.uint8)


def _draw_text(text: str, width: int, style: _Style) -> np.ndarray:
    """A paragraph, `(height, width, 3)`; nothing for an empty one."""
    lines = _wrap(text, width, style)
    sheet = _space(len(lines) * style.line, width)
    for number, line in enumerate(lines):
        _write(sheet, line, 0, number * style.line, style)
    return sheet


def _draw_label(label: str, width: int) -> np.ndarray:
    """The name of a row, and at its right what must be read with it, should the row be cut out of the figure."""
    stamp = _measure(DISCLAIMER, _STAMP)
    if width < 2 * stamp:  # one column: the stamp has a line of its own
        return np.concatenate([_draw_text(label, width, _LABEL), _draw_text(DISCLAIMER, width, _STAMP)])
    name = _draw_text(label, width - stamp - _GAP, _LABEL)
    sheet = _space(max(len(name), _STAMP.line), width)
    sheet[: len(name), : name.shape[1]] = name
    _write(sheet, DISCLAIMER, width, 0, _STAMP, anchor=1)
    return sheet


def _draw_row(row: FigureRow, width: int, settings: RenderSettings) -> np.ndarray:
    """The panes of a row side by side, their pictures at one height, `(height, width, 3)`."""
    heads = [
        np.concatenate([_draw_text(pane.title, _CELL, _TITLE), _draw_text(pane.subtitle, _CELL, _TEXT)])
        for pane in row.panes
    ]
    bodies = [_draw_body(pane, settings) for pane in row.panes]
    top = max((len(head) for head in heads), default=0)
    sheet = _space(top + max((len(body) for body in bodies), default=0), width)
    for number, (head, body) in enumerate(zip(heads, bodies, strict=True)):
        columns = slice(number * (_CELL + _GAP), number * (_CELL + _GAP) + _CELL)
        sheet[: len(head), columns] = head
        sheet[top : top + len(body), columns] = body
    return sheet


def _draw_body(pane: FigurePane, settings: RenderSettings) -> np.ndarray:
    """What is below a pane's title, `(height, _CELL, 3)`: picture, colour bar, note."""
    picture = _paint(pane, settings)
    framed = _space(len(picture) + 16, _CELL)
    left = (_CELL - picture.shape[1]) // 2
    framed[8:-8, left : left + picture.shape[1]] = picture
    bar = _space(0, _CELL) if pane.values is None else _draw_bar(pane, settings)
    return np.concatenate([framed, bar, _space(4, _CELL), _draw_text(pane.note, _CELL, _NOTE)])


def _paint(pane: FigurePane, settings: RenderSettings) -> np.ndarray:
    """The pane's picture fitted into the cell, with its map. The map is drawn at that size, so its edges stay clean."""
    pixels = _resize(pane.pixels)
    if pane.values is None:
        return pixels
    box = pane.box.resized(pane.pixels.shape[:2], pixels.shape[:2])
    return overlay(pixels, pane.values, box, pane.low, pane.high, settings)


def _fit(pixels: np.ndarray) -> tuple[int, int]:
    """Height and width that a picture has in its cell."""
    height, width = pixels.shape[:2]
    factor = min(_CELL / width, _CELL * _TALLEST / height)
    return max(1, round(height * factor)), max(1, round(width * factor))


def _resize(pixels: np.ndarray) -> np.ndarray:
    height, width = _fit(pixels)
    filter_ = cv2.INTER_AREA if width * height < pixels.shape[0] * pixels.shape[1] else cv2.INTER_CUBIC
    return cv2.resize(pixels, (width, height), interpolation=filter_)


def _draw_bar(pane: FigurePane, settings: RenderSettings) -> np.ndarray:
    """The colour bar with its numbers, `(height, _CELL, 3)`. That of a flat map has one colour and says so."""
    table = DIVERGING if settings.signed else COLOUR_TABLES[settings.colour_table]
    flat = is_flat(pane.low, pane.high)
    middle = 127 if settings.signed else 0
    at = np.full(_CELL, middle) if flat else np.linspace(0, 255, _CELL).round().astype(int)
    sheet = _space(_BAR + 4 + _NUMBERS.line, _CELL)
    sheet[:_BAR] = table[at]
    if flat:
        _write(sheet, f"{format_number(pane.low)} everywhere", 0, _BAR + 4, _NUMBERS)
        return sheet
    _write(sheet, format_number(pane.low), 0, _BAR + 4, _NUMBERS)
    _write(sheet, format_number(pane.high), _CELL, _BAR + 4, _NUMBERS, anchor=1)
    if settings.signed:
        _write(sheet, "0", _CELL / 2, _BAR + 4, _NUMBERS, anchor=0.5)
    return sheet
