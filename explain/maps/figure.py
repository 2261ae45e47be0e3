"""A figure for the paper: rows of panes with headings, colour bars and notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from explain.maps.render import (
    RenderSettings,
    colour_bar,
    is_flat,
    is_grey,
    label_bar,
    mark_unseen,
    overlay,
)
from explain.maps.sheet import (
    FINEST,
    Block,
    Image,
    Kind,
    Letters,
    Words,
    measure_width,
    put_beside,
    stack,
    write_paragraph,
    write_sheet,
)
from explain.methods.base import Painting
from explain.percent import write_percent
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
        painting: of the map.
        strength: see `RenderSettings.weigh`.
        verdict: whether the map may be believed, in a few words.
    """

    title: str
    subtitle: str
    pixels: np.ndarray
    values: np.ndarray | None = None
    box: Box = _NOWHERE
    low: float = 0.0
    high: float = 0.0
    note: str = ""
    painting: Painting = "smooth"
    strength: float = 1.0
    verdict: str = ""

    def fitted(self) -> FigurePane:
        """The same with its picture no larger than the figure draws it, where it waits for others."""
        size, fitted = self.pixels.shape[:2], _fit(self.pixels)
        if fitted[0] * fitted[1] >= size[0] * size[1]:
            return self
        return replace(self, pixels=_resize(self.pixels), box=self.box.resized(size, fitted))


@dataclass(frozen=True, eq=False)
class FigureRow:
    """One picture with its maps. `label` names it, `caution` says below that why little is to be made of it, and below
    the maps stands what is `missing`.
    """

    label: str
    panes: Sequence[FigurePane]
    caution: str = ""
    missing: Sequence[str] = ()


_INK, _MUTED, _AMBER = (23, 26, 31), (88, 95, 106), (146, 64, 0)
_HEADING, _LABEL, _TITLE = Letters(24, 600, _INK), Letters(19, 600, _INK), Letters(17, 600, _INK)
_TEXT, _NUMBERS, _NOTE = Letters(14, 400, _MUTED), Letters(13, 400, _MUTED), Letters(14, 500, _AMBER)
_VERDICT = Letters(15, 600, _INK)
_CAUTION, _STAMP, _FOOTER = Letters(16, 600, _AMBER), Letters(17, 700, _AMBER), Letters(22, 700, _AMBER)
_CELL, _GAP, _MARGIN, _BAR = 384, 24, 32, 10
_SWATCH = (28, 14)
_TALLEST = 1.5  # of the cell's width


def figure(
    rows: Sequence[FigureRow],
    settings: RenderSettings,
    title: str = "",
    notes: Sequence[str] = (),
    kind: Kind = "png",
) -> bytes:
    """The grid as one file: a row for each picture, a column for each map, with colour bars and what must be said.

    Args:
        rows: what to draw. Rows may differ in length.
        settings: how the maps are coloured.
        title: written on top.
        notes: written at the bottom, a line each, below the legend: what was explained and how.
        kind: of the file.
    """
    columns = max((len(row.panes) for row in rows), default=1)
    width = columns * _CELL + (columns - 1) * _GAP
    blocks = [write_paragraph(title, width, _HEADING), _space(_GAP // 2, width)] if title else []
    finest = FINEST if kind == "svg" else 1
    for row in rows:
        missing = f"Without a map: {', '.join(row.missing)}." if row.missing else ""
        blocks += [_lay_label(row.label, width), write_paragraph(row.caution, width, _CAUTION), _space(6, width)]
        blocks += [_lay_row(row, width, settings, finest), write_paragraph(missing, width, _TEXT), _space(_GAP, width)]
    blocks += [_lay_legend(rows, settings, width), *(write_paragraph(note, width, _TEXT) for note in notes)]
    blocks.append(write_paragraph(DISCLAIMER, width, _FOOTER))
    return write_sheet(stack(blocks, width), _MARGIN, kind)


def _space(height: int, width: int) -> Block:
    return Block(width, height)


def _lay_label(label: str, width: int) -> Block:
    """The name of a row, and at its right what must be read with it, should the row be cut out of the figure."""
    stamp = measure_width(DISCLAIMER, _STAMP)
    if width < 2 * stamp:  # one column: the stamp has a line of its own
        return stack([write_paragraph(label, width, _LABEL), write_paragraph(DISCLAIMER, width, _STAMP)], width)
    name = write_paragraph(label, width - stamp - _GAP, _LABEL)
    words = Words(width, 0, DISCLAIMER, _STAMP, anchor=1)
    return Block(width, max(name.height, _STAMP.line), [*name.marks, words])


def _lay_row(row: FigureRow, width: int, settings: RenderSettings, finest: int) -> Block:
    """The panes of a row side by side, their pictures at one height."""
    heads = [
        stack([write_paragraph(pane.title, _CELL, _TITLE), write_paragraph(pane.subtitle, _CELL, _TEXT)], _CELL)
        for pane in row.panes
    ]
    bodies = [_lay_body(pane, settings, finest) for pane in row.panes]
    return stack([put_beside(heads, _GAP, width), put_beside(bodies, _GAP, width)], width)


def _lay_body(pane: FigurePane, settings: RenderSettings, finest: int) -> Block:
    """What is below a pane's title: picture, colour bar, note."""
    height, width = _fit(pane.pixels)
    picture = Image((_CELL - width) // 2, 8, width, height, _paint(pane, settings, finest))
    parts = [Block(_CELL, height + 16, [picture])]
    if pane.values is not None:
        parts.append(_lay_bar(pane, settings))
    parts += [_space(4, _CELL), write_paragraph(pane.verdict, _CELL, _VERDICT)]
    return stack([*parts, write_paragraph(pane.note, _CELL, _NOTE)], _CELL)


def _paint(pane: FigurePane, settings: RenderSettings, finest: int) -> np.ndarray:
    """The pane's picture fitted into the cell, with its map. The map is drawn at that size, so its edges stay clean."""
    pixels = _resize(pane.pixels, finest)
    if pane.values is None:
        return pixels
    box = pane.box.resized(pane.pixels.shape[:2], pixels.shape[:2])
    return overlay(pixels, pane.values, box, pane.low, pane.high, settings, pane.painting, pane.strength)


def _fit(pixels: np.ndarray) -> tuple[int, int]:
    """Height and width that a picture has in its cell."""
    height, width = pixels.shape[:2]
    factor = min(_CELL / width, _CELL * _TALLEST / height)
    return max(1, round(height * factor)), max(1, round(width * factor))


def _resize(pixels: np.ndarray, finest: int = 1) -> np.ndarray:
    """The picture as large as its cell, or up to `finest` times as large where it has the pixels."""
    height, width = _fit(pixels)
    finer = min(max(max(pixels.shape[:2]) / max(height, width), 1), finest)
    height, width = round(height * finer), round(width * finer)
    filter_ = cv2.INTER_AREA if width * height < pixels.shape[0] * pixels.shape[1] else cv2.INTER_CUBIC
    return cv2.resize(pixels, (width, height), interpolation=filter_)


def _lay_bar(pane: FigurePane, settings: RenderSettings) -> Block:
    """The colour bar with its numbers. That of a flat map has one colour and says so."""
    style = settings.settle_style(is_grey(pane.pixels), pane.painting)
    flat = is_flat(pane.low, pane.high)
    bar = Image(0, 0, _CELL, _BAR, np.repeat(colour_bar(settings, style, _CELL, flat)[None], _BAR, axis=0))
    low, middle, high = label_bar(pane.low, pane.high, settings.signed, pane.painting)
    down = _BAR + 4
    numbers = [Words(0, down, low, _NUMBERS), Words(_CELL, down, high, _NUMBERS, anchor=1)]
    numbers.append(Words(_CELL / 2, down, middle, _NUMBERS, anchor=0.5))
    return Block(_CELL, down + _NUMBERS.line, [bar, *(words for words in numbers if words.text)])


def _lay_legend(rows: Sequence[FigureRow], settings: RenderSettings, width: int) -> Block:
    """What hatching, lines and dim grey mean, where there are any."""
    panes = [pane for row in rows for pane in row.panes if pane.values is not None]
    lines = []
    if any(not pane.box.covers(pane.pixels.shape[:2]) for pane in panes):
        across, down = _SWATCH
        # As of a picture of the cell's size, so that the lines are as far apart as there.
        swatch = mark_unseen(np.full((down, across, 3), 150, dtype=np.uint8), longest_side=_CELL)
        words = Words(across + 8, 0, "Hatched: cropped away, the model did not see it.", _TEXT)
        image = Image(0, (_TEXT.line - down) // 2, across, down, swatch)
        lines.append(Block(width, _TEXT.line, [image, words]))
    styles = {settings.settle_style(is_grey(pane.pixels), pane.painting) for pane in panes}
    said = []
    if "fading" in styles:
        said.append("The stronger a value, the more its colour covers the picture.")
    if "contours" in styles:
        said.append("Lines of equal value: every fifth of the colour bar.")
    if any(pane.painting == "fine" for pane in panes):
        said.append("Maps of single pixels lie on the picture in grey; beyond ≤ and ≥ stronger values share a colour.")
    if settings.threshold:
        said.append(f"Hidden: what is below {write_percent(settings.threshold)} of the colour bar.")
    return stack([*lines, *(write_paragraph(line, width, _TEXT) for line in said)], width)
