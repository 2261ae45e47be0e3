"""A comparison of methods as a plot for a paper: points with their intervals, a panel a measure, in vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from reportlab.graphics import renderPDF, renderSVG
from reportlab.graphics.shapes import Circle, Drawing, Group, Line, String
from reportlab.lib.colors import HexColor
from reportlab.pdfbase import pdfmetrics

from explain.collections import comparison as compared
from explain.collections.bootstrap import COVER
from explain.percent import write_percent
from explain.report.one_page.pdf import BOLD, PLAIN, register_fonts

Kind = Literal["pdf", "svg"]

_ACROSS = 2  # panels beside each other
_WIDTH, _ROW, _HEAD, _FOOT, _GAP, _MARGIN = 260.0, 15.0, 22.0, 14.0, 16.0, 6.0
_SIZE, _DOT = 8.0, 3.0
_INK, _MUTED, _RULE, _METHOD = (HexColor(colour) for colour in ("#171a1f", "#6b727d", "#d5d9df", "#2f5d9b"))
_LETTERS = 0.36
"""Of a panel's width: what names may take."""

_ARROWS = {"higher": "higher is better →", "lower": "← lower is better", "neither": ""}


@dataclass(frozen=True)
class _Scale:
    """Where values lie across a panel."""

    low: float
    high: float
    left: float
    right: float

    def place(self, value: float) -> float:
        """The place of a value, in points."""
        return self.left + (value - self.low) / (self.high - self.low) * (self.right - self.left)


def draw_comparison(comparison: compared.Comparison, kind: Kind = "pdf") -> bytes:
    """The plot as a file: filled points can be told apart from the one that all are held against, open ones cannot."""
    register_fonts()
    panels = [_draw_panel(table) for table in comparison.tables]
    rows = [panels[first : first + _ACROSS] for first in range(0, len(panels), _ACROSS)]
    heights = [max(height for _, height in row) for row in rows]
    words = _write_legend(comparison)
    wide = [pdfmetrics.stringWidth(line, PLAIN, _SIZE - 1) for line in words]
    width = max(min(len(panels), _ACROSS) * (_WIDTH + _GAP) - _GAP, *wide)
    height = sum(heights) + _GAP * len(rows) + len(words) * (_SIZE + 3)
    drawing = Drawing(width + 2 * _MARGIN, height + 2 * _MARGIN)
    top = height + _MARGIN
    for row, tallest in zip(rows, heights, strict=True):
        for number, (panel, _) in enumerate(row):
            panel.translate(_MARGIN + number * (_WIDTH + _GAP), top)
            drawing.add(panel)
        top -= tallest + _GAP
    for number, line in enumerate(words):
        drawing.add(_write(_MARGIN, top - (number + 0.5) * (_SIZE + 3), line, _MUTED))
    if kind == "pdf":
        data: bytes = renderPDF.drawToString(drawing, "How methods compare")
        return data
    return str(renderSVG.drawToString(drawing)).encode()


def _draw_panel(table: compared.MeasureTable) -> tuple[Group, float]:
    """A measure's methods below each other, and its height; it hangs from 0."""
    height = _HEAD + _ROW * len(table.lines) + _FOOT
    ends = [end for line in table.lines for end in (line.estimate.low, line.estimate.high)]
    low, high, ticks = _find_ticks(min(ends), max(ends))
    scale = _Scale(low, high, _WIDTH * _LETTERS, _WIDTH - 8)
    panel = Group(
        _write(0, -_SIZE - 1, table.title, _INK, bold=True),
        _write(_WIDTH, -_SIZE - 1, _ARROWS[table.better], _MUTED, anchor="end"),
    )
    bottom = -height + _FOOT
    for tick in ticks:
        at = scale.place(tick)
        panel.add(Line(at, -_HEAD + 4, at, bottom, strokeColor=_RULE, strokeWidth=0.5))
        panel.add(_write(at, bottom - _SIZE - 2, f"{tick:.4g}", _MUTED, anchor="middle"))
    for number, line in enumerate(table.lines):
        _draw_line(panel, line, line.row == table.against, scale, -_HEAD - (number + 0.5) * _ROW)
    return panel, height


def _draw_line(panel: Group, line: compared.Line, is_first: bool, scale: _Scale, y: float) -> None:
    colour = _METHOD if line.is_method else _MUTED
    panel.add(_write(0, y - _SIZE * 0.36, _cut(line.title, _WIDTH * _LETTERS - 6), _INK, bold=is_first))
    low, at, high = (scale.place(value) for value in (line.estimate.low, line.estimate.value, line.estimate.high))
    panel.add(Line(low, y, high, y, strokeColor=colour, strokeWidth=1.4))
    for end in (low, high):
        panel.add(Line(end, y - 2.5, end, y + 2.5, strokeColor=colour, strokeWidth=1))
    filled = line.is_apart is not False
    fill = colour if filled else HexColor("#ffffff")
    panel.add(Circle(at, y, _DOT, fillColor=fill, strokeColor=colour, strokeWidth=1.2))


def _find_ticks(low: float, high: float) -> tuple[float, float, list[float]]:
    """Ends of an axis that hold both values, and four to eight round numbers on it."""
    span = max(high - low, 1e-6)
    power = 10.0 ** np.floor(np.log10(span / 4))
    step = float(next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= 5))
    first, last = float(np.floor(low / step)), float(np.ceil(high / step))
    return first * step, last * step, [round(number * step, 10) for number in np.arange(first, last + 1)]


def _write_legend(comparison: compared.Comparison) -> list[str]:
    return [
        f"{comparison.model}, layer {comparison.layer}. {comparison.sample} Points: {comparison.statistic}; lines: "
        f"{write_percent(COVER)} interval.",
        "In bold what all are held against; an open point cannot be told apart from it. Not for diagnostic use.",
    ]


def _write(x: float, y: float, text: str, colour: HexColor, bold: bool = False, anchor: str = "start") -> String:
    """A line of text; what is muted is smaller too."""
    size, font = _SIZE - (colour is _MUTED), BOLD if bold else PLAIN
    return String(x, y, text, fontName=font, fontSize=size, fillColor=colour, textAnchor=anchor)


def _cut(text: str, width: float) -> str:
    """A name no wider than so many points."""
    while text and pdfmetrics.stringWidth(text, BOLD, _SIZE) > width:
        text = text[:-2].rstrip() + "…" if len(text) > 2 else ""
    return text
