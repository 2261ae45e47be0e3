"""The report as PDF, a page a picture: what stands on it is set as large as it fits."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image, ImageColor
from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

from explain.maps.figure import DISCLAIMER
from explain.maps.sheet import Block, Letters, Words, measure_width, write_sheet
from explain.report.one_page.content import Answer, Facts, Page, Said, Sheet
from explain.report.one_page.panes import Pane, list_columns
from explain.report.one_page.strip import draw_strip

_FONTS = Path(__file__).resolve().parents[3] / "assets" / "fonts"
PLAIN, BOLD = "DejaVuSansCondensed", "DejaVuSansCondensed-Bold"
"""The letters of whatever is written as PDF."""

_INK, _MUTED, _AMBER, _RULE = "#171a1f", "#585f6a", "#924000", "#d5d9df"
_BLUE, _TRACK = "#4a6fa5", "#eceef1"
_MARGIN, _GAP = 30.0, 14.0
_WIDTH, _HEIGHT = A4[0] - 2 * _MARGIN, A4[1] - 2 * _MARGIN
_TRIES = ((8.5, 1.0), (8.0, 1.0), (7.5, 1.0), (7.5, 0.85), (7.0, 0.85), (6.5, 0.85), (6.5, 0.7), (6.0, 0.7))
"""Points of the letters, and parts of their room that panes take: the first that fits is used, with panes as large as
they fit.
"""

_OVER_TWO = (7.5, 0.85)
"""The same for a page that fits on one sheet in none of these ways."""

_TALLEST, _MOST_BESIDE = 230.0, 5
_QUALITY = 92
_FINE = 40  # pixels of letters that are pictures
_registering = threading.Lock()

Draw = Callable[[Canvas, float, float], None]
"""Draws at a left edge and an upper edge, in points from the paper's lower left corner."""


@dataclass(frozen=True)
class _Block:
    """A piece of the page: its size in points, and what draws it."""

    width: float
    height: float
    draw: Draw


def write_pdf(pages: Sequence[Page]) -> bytes:
    """The report of some pictures, each on a page of its own."""
    register_fonts()
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, pageCompression=1, lang="en")
    canvas.setTitle("Report of CAMscope")
    canvas.setSubject(DISCLAIMER)
    canvas.setAuthor("CAMscope")
    canvas.setCreator("CAMscope")
    for page in pages:
        for sheet in [*_lay_page(page), *([] if page.series is None else [_lay_series(page.series)])]:
            sheet.draw(canvas, _MARGIN, _MARGIN + _HEIGHT)
            canvas.showPage()
    canvas.save()
    return file.getvalue()


def register_fonts() -> None:
    """Have reportlab know the letters that the project ships."""
    with _registering:
        # Of pictures in a text only those that stand there themselves are drawn: nothing is opened, nothing fetched.
        rl_config.trustedHosts, rl_config.trustedSchemes = ["localhost"], ["data"]
        rl_config.useA85 = 0  # a fifth smaller
        if PLAIN not in pdfmetrics.getRegisteredFontNames():
            for name in (PLAIN, BOLD):
                pdfmetrics.registerFont(TTFont(name, _FONTS / f"{name}.ttf"))
            pdfmetrics.registerFontFamily(PLAIN, normal=PLAIN, bold=BOLD, italic=PLAIN, boldItalic=BOLD)


def _lay_page(page: Page) -> list[_Block]:
    """The sheets of a page: one, but where not even small letters let it fit."""
    for size, part in _TRIES:
        head, tail = _lay_head(page, size), _lay_tail(page, size)
        for columns in [page.columns] if page.columns else list_columns(len(page.panes), _MOST_BESIDE):
            panes = _lay_panes(page.panes, columns, size, part)
            whole = _stack([head, panes, tail], 0.9 * size)
            if whole.height <= _HEIGHT:
                return [whole]
    size, part = _OVER_TWO
    panes = _lay_panes(page.panes, page.columns or min(len(page.panes), _MOST_BESIDE), size, part)
    return [_stack([_lay_head(page, size), panes], 0.9 * size), _lay_tail(page, size)]


def _lay_series(sheet: Sheet) -> _Block:
    """The series on a sheet: panes take what room words and strip leave."""
    for size, part in (*_TRIES, (6.0, 0.5)):
        words = _stack([_write_said(said, _WIDTH, size) for said in sheet.said], 2)
        panes = _lay_panes(sheet.panes, sheet.columns, size, part)
        legend = _write(sheet.legend, _WIDTH, size, colour=_MUTED)
        whole = _stack([_lay_heading(sheet.title, size), words, _lay_strip(sheet), panes, legend], size)
        if whole.height <= _HEIGHT:
            break
    return whole


def _lay_strip(sheet: Sheet) -> _Block:
    drawing = draw_strip(sheet.lanes, sheet.count, sheet.missing, sheet.keys, _WIDTH)

    def draw(canvas: Canvas, left: float, top: float) -> None:
        for rect in drawing.rects:
            canvas.setFillColor(rect.colour)
            canvas.rect(left + rect.x, top - rect.y - rect.height, rect.width, rect.height, stroke=0, fill=1)
        place = {"start": canvas.drawString, "middle": canvas.drawCentredString, "end": canvas.drawRightString}
        for text in drawing.texts:
            canvas.setFont(BOLD if text.bold else PLAIN, text.size)
            canvas.setFillColor(text.colour)
            place[text.anchor](left + text.x, top - text.y, text.words)

    return _Block(_WIDTH, drawing.height, draw)


def _lay_head(page: Page, size: float) -> _Block:
    return _stack([_lay_cautions(page, size), _lay_heading(page.name, size), _lay_columns(page, size)], 0.9 * size)


def _lay_tail(page: Page, size: float) -> _Block:
    legend = _write(page.legend, _WIDTH, size, colour=_MUTED)
    return _stack([legend, _lay_sections(page, size), _lay_proof(page, size - 0.5)], 0.9 * size)


# Pieces --------------------------------------------------------------------------------------------------------------


def _lay_cautions(page: Page, size: float) -> _Block:
    if not page.cautions:
        return _Block(_WIDTH, 0, lambda canvas, left, top: None)
    words = _stack([_write(one, _WIDTH - 16, size + 2, bold=True, colour=_AMBER) for one in page.cautions], 2)

    def draw(canvas: Canvas, left: float, top: float) -> None:
        canvas.setStrokeColor(_AMBER)
        canvas.setLineWidth(1.5)
        canvas.roundRect(left, top - words.height - 10, _WIDTH, words.height + 10, 3)
        words.draw(canvas, left + 8, top - 4)

    return _Block(_WIDTH, words.height + 10, draw)


def _lay_heading(title: str, size: float) -> _Block:
    room = pdfmetrics.stringWidth(DISCLAIMER, BOLD, size + 2) + _GAP
    name = _write(title, _WIDTH - room, size + 5, bold=True)

    def draw(canvas: Canvas, left: float, top: float) -> None:
        name.draw(canvas, left, top)
        canvas.setFont(BOLD, size + 2)
        canvas.setFillColor(_AMBER)
        canvas.drawRightString(left + _WIDTH, top - size - 5, DISCLAIMER)
        canvas.setStrokeColor(_INK)
        canvas.setLineWidth(1.2)
        canvas.line(left, top - name.height - 4, left + _WIDTH, top - name.height - 4)

    return _Block(_WIDTH, name.height + 5, draw)


def _lay_columns(page: Page, size: float) -> _Block:
    room = _WIDTH - 2 * _GAP
    narrow, wide = room * 0.27, room * 0.46
    return _put_beside(
        [
            _lay_answers(page, narrow, size),
            _lay_facts("The picture", page.picture, narrow, size),
            _lay_facts("The model", page.model, wide, size),
        ],
        _GAP,
    )


def _lay_answers(page: Page, width: float, size: float) -> _Block:
    lines = [_write("Its answer", width, size + 1, bold=True)]
    lines += [_lay_answer(answer, width, size) for answer in page.answers]
    return _stack([*lines, _write(page.explained, width, size, colour=_MUTED)], 2)


def _lay_answer(answer: Answer, width: float, size: float) -> _Block:
    """A class, its probability and a bar as long as that."""
    font = BOLD if answer.explained else PLAIN
    room = pdfmetrics.stringWidth(answer.text, font, size) + 6
    words = _write(answer.label, width - room, size, bold=answer.explained)

    def draw(canvas: Canvas, left: float, top: float) -> None:
        words.draw(canvas, left, top)
        canvas.setFont(font, size)
        canvas.setFillColor(_INK)
        canvas.drawRightString(left + width, top - size, answer.text)
        for colour, length in ((_TRACK, width), (_BLUE, width * answer.share)):
            canvas.setFillColor(colour)
            canvas.rect(left, top - words.height - 3, length, 2, stroke=0, fill=1)

    return _Block(width, words.height + 4, draw)


def _lay_facts(title: str, facts: Facts, width: float, size: float) -> _Block:
    lines = [_write(title, width, size + 1, bold=True)]
    for term, said in facts:
        lines.append(_stack([_write(term, width, size - 1, colour=_MUTED), _write(said, width, size)], 0))
    return _stack(lines, 2)


def _lay_panes(panes: Sequence[Pane], columns: int, size: float, part: float) -> _Block:
    gap = 8.0
    cell = (_WIDTH - (columns - 1) * gap) / columns
    blocks = [_lay_pane(pane, cell, size, part) for pane in panes]
    rows = [_put_beside(blocks[first : first + columns], gap) for first in range(0, len(blocks), columns)]
    return _stack(rows, gap)


def _lay_pane(pane: Pane, cell: float, size: float, part: float) -> _Block:
    height, width = pane.pixels.shape[:2]
    across = part * min(cell, _TALLEST * width / height)
    down = across * height / width
    lines = [
        _Block(cell, down, partial(_draw_picture, pane, (across, down))),
        _write(pane.title, cell, size, bold=True),
    ]
    if pane.bar is not None:
        lines.append(_Block(cell, 4 + size, partial(_draw_bar, pane, across, size)))
    lines += [_write(pane.verdict, cell, size, bold=True), *(_write(share, cell, size) for share in pane.shares)]
    whole = _stack(lines, 1.5)
    return _Block(cell, whole.height, whole.draw)


def _draw_picture(pane: Pane, size: tuple[float, float], canvas: Canvas, left: float, top: float) -> None:
    (width, height), bottom = size, top - size[1]
    canvas.drawImage(_read_image(pane.pixels, "JPEG"), left, bottom, width, height)
    letters = max(width, height) / 14
    for ring in pane.rings:
        path = canvas.beginPath()
        for number, (x, y) in enumerate(ring):
            (path.lineTo if number else path.moveTo)(left + x * width, top - y * height)
        path.close()
        for colour, line in (("#000000", letters / 4), ("#ffffff", letters / 10)):
            canvas.setStrokeColor(colour)
            canvas.setLineWidth(line)
            canvas.drawPath(path)
    if pane.edges:
        middle, right = left + width / 2, left + width - letters * 0.7
        halfway = bottom + height / 2 - letters / 3
        places = (
            (middle, top - letters),
            (right, halfway),
            (middle, bottom + letters * 0.3),
            (left + letters * 0.7, halfway),
        )
        for letter, (x, y) in zip(pane.edges, places, strict=True):
            _draw_letters(canvas, letter, x - pdfmetrics.stringWidth(letter, BOLD, letters) / 2, y, letters)
    if pane.scale:
        first, y = left + letters * 0.4, bottom + letters * 0.5
        for colour, line in (("#000000", letters / 4), ("#ffffff", letters / 9)):
            canvas.setStrokeColor(colour)
            canvas.setLineWidth(line)
            canvas.line(first, y, first + pane.scale.share * width, y)
        _draw_letters(canvas, f"{pane.scale.millimetres} mm", first, y + letters * 0.35, letters * 0.75)


def _draw_letters(canvas: Canvas, words: str, left: float, bottom: float, size: float) -> None:
    """White letters with a black edge, legible on black and on white."""
    for edge in (True, False):
        canvas.saveState()  # what is written afterwards is filled, too
        canvas.setStrokeColor("#000000")
        canvas.setFillColor("#ffffff")
        canvas.setLineWidth(size / 6)
        canvas.setLineJoin(1)
        text = canvas.beginText(left, bottom)
        text.setFont(BOLD, size)
        text.setTextRenderMode(1 if edge else 0)
        text.textOut(words)
        canvas.drawText(text)
        canvas.restoreState()


def _draw_bar(pane: Pane, width: float, size: float, canvas: Canvas, left: float, top: float) -> None:
    assert pane.bar is not None
    canvas.drawImage(_read_image(pane.bar.colours[None], "PNG"), left, top - 4, width, 4)
    canvas.setFont(PLAIN, size - 1)
    canvas.setFillColor(_MUTED)
    low, middle, high = pane.bar.labels
    canvas.drawString(left, top - 3 - size, low)
    canvas.drawCentredString(left + width / 2, top - 3 - size, middle)
    canvas.drawRightString(left + width, top - 3 - size, high)


def _read_image(pixels: np.ndarray, kind: str) -> ImageReader:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, kind, quality=_QUALITY, subsampling=0)
    file.seek(0)
    return ImageReader(file)


def _lay_sections(page: Page, size: float) -> _Block:
    """What is said of the maps, in two columns as even as they can be; a heading stays with what follows."""
    width = (_WIDTH - _GAP) / 2
    pieces: list[_Block] = []
    for title, lines in page.sections:
        heading = _pad(_write(title, width, size + 1, bold=True), 3)
        first, *others = (_write_said(said, width, size) for said in lines)
        pieces += [_stack([heading, first], 2), *others]

    def find_height(split: int) -> float:
        return max(_stack(pieces[:split], 2).height, _stack(pieces[split:], 2).height)

    split = min(range(1, len(pieces) + 1), key=find_height)
    return _put_beside([_stack(pieces[:split], 2), _stack(pieces[split:], 2)], _GAP)


def _write_said(said: Said, width: float, size: float) -> _Block:
    words = "".join(
        f"<b>{_mark(part, size)}</b>{after}" for part, after in ((said.word, " · "), (said.maps, ": ")) if part
    )
    return _set(f"{words}{_mark(said.sentence, size)}", width, size)


def _lay_proof(page: Page, size: float) -> _Block:
    command, lacks = page.command
    terms = [*page.proof, ("To make it again", f"{lacks} {command}".strip())]
    first = max(pdfmetrics.stringWidth(term, PLAIN, size) for term, _ in terms) + 8
    lines = [
        _put_beside([_write(term, first, size, colour=_MUTED), _write(said, _WIDTH - first, size)], 0)
        for term, said in terms
    ]
    inner = _stack(lines, 0)

    def draw(canvas: Canvas, left: float, top: float) -> None:
        canvas.setStrokeColor(_RULE)
        canvas.setLineWidth(0.8)
        canvas.line(left, top, left + _WIDTH, top)
        inner.draw(canvas, left, top - 4)

    return _Block(_WIDTH, inner.height + 4, draw)


# Setting -------------------------------------------------------------------------------------------------------------


def _write(text: str, width: float, size: float, bold: bool = False, colour: str = _INK) -> _Block:
    """A text in lines no wider than that; nothing for an empty one."""
    marked = _mark(text, size, colour)
    return _set(f"<b>{marked}</b>" if bold and marked else marked, width, size, colour)


def _set(marked: str, width: float, size: float, colour: str = _INK) -> _Block:
    if not marked:
        return _Block(width, 0, lambda canvas, left, top: None)
    style = ParagraphStyle("text", fontName=PLAIN, fontSize=size, leading=1.28 * size, textColor=colour)
    paragraph = Paragraph(marked, style)
    _, height = paragraph.wrap(width, 10_000)
    return _Block(width, height, lambda canvas, left, top: paragraph.drawOn(canvas, left, top - height))


def _mark(text: str, size: float, colour: str = _INK) -> str:
    """Text as reportlab takes it; what the font lacks, such as Chinese, is drawn by the font of the figures."""
    known = _list_known()
    return "".join(
        _picture("".join(run), size, colour) if lacking else escape("".join(run))
        for lacking, run in groupby(text, lambda character: ord(character) not in known)
    )


def _picture(words: str, size: float, colour: str) -> str:
    letters = Letters(_FINE, 400, ImageColor.getrgb(colour)[:3])
    width = measure_width(words, letters) + 2
    block = Block(width, letters.line, [Words(1, 0, words, letters)])
    data = base64.b64encode(write_sheet(block, 0, "png")).decode("ascii")
    high = size * letters.line / letters.size
    across = high * width / letters.line
    below = -0.45 * size
    return f'<img src="data:image/png;base64,{data}" width="{across:.2f}" height="{high:.2f}" valign="{below:.2f}"/>'


@cache
def _list_known() -> frozenset[int]:
    return frozenset(pdfmetrics.getFont(PLAIN).face.charToGlyph)


def _stack(blocks: Iterable[_Block], gap: float) -> _Block:
    """Blocks below each other; empty ones take no room."""
    kept = [block for block in blocks if block.height]

    def draw(canvas: Canvas, left: float, top: float) -> None:
        for block in kept:
            block.draw(canvas, left, top)
            top -= block.height + gap

    height = sum(block.height for block in kept) + gap * max(len(kept) - 1, 0)
    return _Block(max((block.width for block in kept), default=0.0), height, draw)


def _put_beside(blocks: Sequence[_Block], gap: float) -> _Block:
    """Blocks beside each other, their upper edges at one height."""

    def draw(canvas: Canvas, left: float, top: float) -> None:
        for block in blocks:
            block.draw(canvas, left, top)
            left += block.width + gap

    width = sum(block.width for block in blocks) + gap * (len(blocks) - 1)
    return _Block(width, max(block.height for block in blocks), draw)


def _pad(block: _Block, above: float) -> _Block:
    return _Block(block.width, block.height + above, lambda canvas, left, top: block.draw(canvas, left, top - above))
