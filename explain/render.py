"""From raw maps to colours on the picture: what files hold, and what the canvas in the browser must equal."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import cv2
import numpy as np

from explain.geometry import Box
from explain.methods.base import Settings, setting

SHADES = 4096  # steps of a colour table when painting; neighbours differ by less than one level of any channel
_FLAT = 1e-6  # a map whose range is smaller than this share of its values is rounding noise around a constant

_UNSEEN_GAIN, _UNSEEN_LIFT, _HATCH_LIFT = 115, 24, 40  # grey·115/256 + 24 (+ 40 on a hatch line) of 255
_HATCHES = 56  # hatch lines along the longer side
_BAND_PIXELS = 1 << 14  # painted at a time, so that what lies between stays in the processor's cache

DISCLAIMER = "Not for diagnostic use"


class RenderSettings(Settings):
    """How maps are put on the picture. None of it needs the network again."""

    opacity: float = setting(
        0.55, "Opacity", "How strongly the colours cover the picture.", low=0.0, high=1.0, step=0.05
    )
    colour_table: Literal["viridis", "inferno", "cividis", "turbo"] = setting(
        "viridis", "Colours", "The colour table. The signed view has one of its own: blue against, orange for."
    )
    scale: Literal["own", "shared"] = setting(
        "own",
        "Scale",
        "“own” spreads the colours over each map's range; “shared” uses one range for all maps of a row, so that "
        "equal colours are equal values.",
    )
    signed: bool = setting(
        False, "Signed", "Show what speaks against the class too, instead of cutting the map off at zero."
    )


def _read_table(number: int) -> np.ndarray:
    """One of OpenCV's colour tables, `(256, 3)` uint8 RGB."""
    return cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], number)[:, 0, ::-1].copy()


def _build_diverging() -> np.ndarray:
    """Blue over dark grey to orange, `(256, 3)` uint8 RGB.

    Lightness and chroma grow linearly with the distance from the middle in OKLab (B. Ottosson, 2020), equally on both
    sides, so that equal strength for and against looks equally strong. The middle is dark like the low end of the
    other tables: what matters stands out by light in both views. Blue and orange stay apart for colour-blind eyes.
    """
    position = np.linspace(-1, 1, 256)
    strength = np.abs(position)
    hue = np.radians(np.where(position < 0, 248.0, 52.0))
    lightness, chroma = 0.20 + 0.52 * strength, 0.155 * strength
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    cone = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    linear = (
        np.array(
            [
                [4.0767416621, -3.3077115913, 0.2309699292],
                [-1.2684380046, 2.6097574011, -0.3413193965],
                [-0.0041960863, -0.7034186147, 1.7076147010],
            ]
        )
        @ cone**3
    )
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(encoded.T * 255).astype(np.uint8)


COLOUR_TABLES: dict[str, np.ndarray] = {
    "viridis": _read_table(cv2.COLORMAP_VIRIDIS),
    "inferno": _read_table(cv2.COLORMAP_INFERNO),
    "cividis": _read_table(cv2.COLORMAP_CIVIDIS),
    "turbo": _read_table(cv2.COLORMAP_TURBO),
}
DIVERGING = _build_diverging()


def shades(table: np.ndarray) -> np.ndarray:
    """A `(256, 3)` table drawn out to `(SHADES, 3)` uint8 by straight lines between its entries."""
    at = np.linspace(0, 255, SHADES)
    return np.stack([np.rint(np.interp(at, np.arange(256), table[:, c])) for c in range(3)], axis=1).astype(np.uint8)


_SHADES = {name: shades(table) for name, table in COLOUR_TABLES.items()}
_DIVERGING_SHADES = shades(DIVERGING)


def value_range(maps: Sequence[np.ndarray], signed: bool) -> tuple[float, float]:
    """The values that get the first and the last colour.

    Unsigned: lowest and highest value after ReLU. Signed: minus and plus the largest magnitude, zero in the middle.

    Args:
        maps: one map for its own scale, all maps of a row for the shared one. Maps with a value that is no number, of
            which nothing is shown, do not count.
        signed: False for the view cut off at zero.
    """
    finite = [np.asarray(values, dtype=np.float32) for values in maps if np.isfinite(values).all()]
    if not finite:
        return 0.0, 0.0
    lowest, highest = float(min(v.min() for v in finite)), float(max(v.max() for v in finite))
    if signed:
        largest = max(-lowest, highest)
        return -largest, largest
    return max(lowest, 0.0), max(highest, 0.0)


def is_flat(low: float, high: float) -> bool:
    """Whether a range is nothing but rounding noise: such a map is blank, and is not stretched to look alive."""
    return not high - low > _FLAT * max(abs(low), abs(high))


def normalise(values: np.ndarray, low: float, high: float, signed: bool = False) -> np.ndarray:
    """Values to 0…1: `low` and what is below to 0, `high` and above to 1; NaN stays NaN.

    A flat range (see `is_flat`) gives a blank map: all 0, or all 0.5, the middle of the table, in the signed view.
    """
    if is_flat(low, high):
        return np.where(np.isnan(values), np.nan, 0.5 if signed else 0.0).astype(np.float32)
    return np.clip((values - np.float32(low)) * np.float32(1 / (high - low)), 0, 1).astype(np.float32)


def _weights(length: int, start: float, stop: float, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """How much each of `cells` cells counts at each of `length` pixel centres, `(length, cells)`, and who is inside."""
    centres = np.arange(length) + 0.5
    at = np.clip((centres - start) / (stop - start) * cells - 0.5, 0, cells - 1)
    first = np.minimum(at.astype(np.int64), max(cells - 2, 0))
    share = (at - first).astype(np.float32)
    weights = np.zeros((length, cells), dtype=np.float32)
    weights[np.arange(length), first] = 1 - share
    weights[np.arange(length), np.minimum(first + 1, cells - 1)] += share
    return weights, (centres >= start) & (centres < stop)


def place(values: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """Lay a map on the picture: bilinear, half-pixel centres, the outermost cells held towards the box's edges.

    Args:
        values: `(h, w)` float32. If one of them is no number the whole result is NaN.
        box: the rectangle of the picture that the map covers, in pixels, edges at whole numbers. It may be smaller
            than the picture (a crop) or reach beyond it (padding).
        size: height and width of the picture.

    Returns:
        `(H, W)` float32, NaN where a pixel's centre lies outside the box: the model did not see it.
    """
    height, width = size
    left, top, right, bottom = box
    if not np.isfinite(values).all():
        return np.full(size, np.nan, dtype=np.float32)
    rows, row_inside = _weights(height, top, bottom, values.shape[0])
    columns, column_inside = _weights(width, left, right, values.shape[1])
    # Two products with narrow matrices: for a map of a few cells nothing else in numpy touches the pixels only once.
    placed: np.ndarray = rows @ (values.astype(np.float32) @ columns.T)
    placed[~row_inside, :] = np.nan
    placed[:, ~column_inside] = np.nan
    return placed


def mark_unseen(pixels: np.ndarray, first_row: int = 0, longest_side: int | None = None) -> np.ndarray:
    """Pixels as they look where the model saw nothing: grey, dim, hatched. `(H, W, 3)` uint8 to the same.

    Args:
        pixels: the picture, or some of its rows.
        first_row: number of the first of them in the picture.
        longest_side: of the whole picture; sets the distance between hatch lines.
    """
    height, width = pixels.shape[:2]
    # Whole numbers throughout, so that the browser gets the very same pixels.
    red, green, blue = (pixels[..., c].astype(np.int32) for c in range(3))
    grey = (77 * red + 150 * green + 29 * blue) >> 8
    dim = ((grey * _UNSEEN_GAIN) >> 8) + _UNSEEN_LIFT
    period = max(4, round((longest_side or max(height, width)) / _HATCHES))
    diagonal = np.arange(first_row, first_row + height)[:, None] + np.arange(width)[None, :]
    line = diagonal % period < max(1, period // 5)
    return np.repeat((dim + _HATCH_LIFT * line)[..., None], 3, axis=2).astype(np.uint8)


def overlay(
    pixels: np.ndarray, values: np.ndarray, box: Box, low: float, high: float, settings: RenderSettings
) -> np.ndarray:
    """The picture with a map on it, `(H, W, 3)` uint8.

    Args:
        pixels: `(H, W, 3)` uint8 RGB.
        values: `(h, w)` float32, the raw map.
        box: where it lies on the picture, see `place`.
        low: value of the first colour, see `value_range`.
        high: value of the last one.
        settings: opacity, colours and view. `scale` has done its work in `low` and `high`.
    """
    height, width = pixels.shape[:2]
    placed = place(values if settings.signed else np.maximum(values, 0), box, (height, width))
    table = _DIVERGING_SHADES if settings.signed else _SHADES[settings.colour_table]
    steps = np.arange(256)
    below = (steps * (1 - settings.opacity) + 0.5).astype(np.float32)
    above = (table * settings.opacity).astype(np.float32)
    blended = np.empty_like(pixels)
    rows = max(1, _BAND_PIXELS // width)
    for first in range(0, height, rows):
        band = slice(first, first + rows)
        unseen = np.isnan(placed[band])
        level = normalise(placed[band], low, high, settings.signed)
        level[unseen] = 0
        shade = (level * np.float32(SHADES - 1) + np.float32(0.5)).astype(np.uint16)
        blended[band] = (below[pixels[band]] + above[shade]).astype(np.uint8)
        if unseen.any():
            blended[band][unseen] = mark_unseen(pixels[band], first, max(height, width))[unseen]
    return blended


def encode_png(pixels: np.ndarray) -> bytes:
    """`(H, W, 3)` RGB or `(H, W)` uint8 as PNG, losslessly and quickly rather than small."""
    ordered = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    return cv2.imencode(".png", np.ascontiguousarray(ordered), [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def format_number(value: float) -> str:
    """Three significant digits, as written at the ends of a colour bar."""
    size = abs(value)
    if 1000 <= size < 1e6:
        text = f"{float(f'{value:.3g}'):.0f}"
    else:
        text = f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    return text.replace("-", "−")


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
    box: Box = (0.0, 0.0, 1.0, 1.0)
    low: float = 0.0
    high: float = 0.0
    note: str = ""


@dataclass(frozen=True, eq=False)
class FigureRow:
    """One picture with its maps. `label` names it."""

    label: str
    panes: Sequence[FigurePane]


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
            strips += [_draw_text(row.label, width, _LABEL), _space(6, width)]
            strips += [_draw_row(row, width, settings), _space(_GAP, width)]
        strips.append(_draw_text(footer, width, _TEXT))
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
    height, width = pane.pixels.shape[:2]
    factor = min(_CELL / width, _CELL * _TALLEST / height)
    fitted_width, fitted_height = max(1, round(width * factor)), max(1, round(height * factor))
    filter_ = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    pixels = cv2.resize(pane.pixels, (fitted_width, fitted_height), interpolation=filter_)
    if pane.values is None:
        return pixels
    left, top, right, bottom = pane.box
    across, down = fitted_width / width, fitted_height / height
    box = (left * across, top * down, right * across, bottom * down)
    return overlay(pixels, pane.values, box, pane.low, pane.high, settings)


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
