"""The report as one HTML file: without a script, without anything from elsewhere, and the form for screen readers."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from explain.maps.figure import DISCLAIMER
from explain.maps.render import encode_png
from explain.report.one_page.content import Facts, Page, Said, Sheet
from explain.report.one_page.panes import Bar, Pane, count_columns
from explain.report.one_page.strip import draw_strip

_STYLES = """
:root { color-scheme: light; --ink: #171a1f; --muted: #585f6a; --amber: #924000; --rule: #d5d9df; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 12px/1.4 "DejaVu Sans Condensed", "Segoe UI", Helvetica,
  Arial, sans-serif; }
main { max-width: 780px; margin: 24px auto; padding: 0 24px; }
article + article { margin-top: 48px; padding-top: 24px; border-top: 2px solid var(--rule); }
p, dl, ul, ol { margin: 0; padding: 0; }
ul, ol { list-style: none; }
.caution { border: 2px solid var(--amber); border-radius: 4px; color: var(--amber); font-size: 14px; font-weight: 700;
  padding: 8px 12px; margin-bottom: 12px; }
header { display: flex; justify-content: space-between; align-items: baseline; gap: 16px; border-bottom: 2px solid
  var(--ink); padding-bottom: 6px; }
h1 { font-size: 19px; margin: 0; overflow-wrap: anywhere; }
.banner { color: var(--amber); font-weight: 700; font-size: 14px; white-space: nowrap; }
h2 { font-size: 13px; margin: 0 0 4px; }
.columns { display: grid; gap: 12px 24px; margin-top: 12px; }
.three { grid-template-columns: 1fr 1fr 1.7fr; }
.flow { columns: 2; column-gap: 24px; margin-top: 12px; overflow-wrap: anywhere; }
.flow h2 { break-after: avoid; margin-top: 8px; }
.flow h2:first-child { margin-top: 0; }
.flow li { break-inside: avoid; margin-bottom: 3px; }
.proof { display: grid; grid-template-columns: max-content 1fr; gap: 0 10px; margin-top: 8px; border-top: 1px solid
  var(--rule); padding-top: 6px; overflow-wrap: anywhere; }
.proof dd { margin: 0; }
.columns > * { min-width: 0; overflow-wrap: anywhere; }
dt { color: var(--muted); font-size: 11px; }
dd { margin: 0 0 4px; }
.answers li { margin-bottom: 4px; }
.answers .line { display: flex; justify-content: space-between; gap: 8px; }
.answers .line span + span { white-space: nowrap; }
.explained { font-weight: 700; }
.track { background: #eceef1; height: 4px; }
.track span { background: #4a6fa5; display: block; height: 4px; }
.panes { display: grid; gap: 12px; margin-top: 14px; }
figure { margin: 0; min-width: 0; }
.framed { position: relative; line-height: 0; }
.framed img, .framed svg { width: 100%; height: auto; }
.framed svg { position: absolute; inset: 0; }
figcaption { overflow-wrap: anywhere; }
figcaption h3 { font-size: 12px; margin: 2px 0; }
.bar { width: 100%; height: 6px; display: block; }
.ends { display: flex; justify-content: space-between; color: var(--muted); font-size: 11px; }
.verdict { font-weight: 700; }
.series { margin-top: 32px; }
.series h2 { font-size: 16px; margin: 0; }
.series ul { margin-top: 8px; }
.strip { display: block; width: 100%; height: auto; margin-top: 10px; font-family: inherit; }
.note { color: var(--muted); margin-top: 6px; }
.fine { font-size: 11px; }
code { font: 11px/1.4 "DejaVu Sans Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
@media (max-width: 640px) { .three { grid-template-columns: 1fr; } .flow { columns: 1; }
  .panes { grid-template-columns: 1fr 1fr !important; } }
@page { size: A4; margin: 10mm; }
@media print { body { font-size: 8.6px; } main { max-width: none; margin: 0; padding: 0; }
  article + article { break-before: page; margin: 0; padding: 0; border: 0; }
  .series { break-before: page; margin: 0; } .series h2 { font-size: 14px; }
  figure { break-inside: avoid; } h1 { font-size: 14px; } h2, figcaption h3 { font-size: 9.5px; }
  .banner { font-size: 11px; } .caution { font-size: 11px; padding: 4px 8px; margin-bottom: 6px; }
  dt, .ends, .fine, code { font-size: 7.8px; } .columns { margin-top: 7px; gap: 7px 14px; } .panes { margin-top: 8px; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""

_STRIP = 535.0
"""Points across a strip: as on paper."""


def write_html(pages: Sequence[Page]) -> bytes:
    """The report of some pictures, one below the other; on paper each begins a page."""
    title = "Report of CAMscope" if len(pages) > 1 else f"Report of CAMscope: {pages[0].name}"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; style-src '
            "'unsafe-inline'\">",
            f"<title>{escape(title)}</title>\n<style>{_STYLES}</style>\n</head>\n<body>\n<main>",
            *(_write_page(page, number) for number, page in enumerate(pages, 1)),
            "</main>\n</body>\n</html>\n",
        ]
    ).encode()


def _write_page(page: Page, number: int) -> str:
    columns = page.columns or count_columns(len(page.panes), page.panes[0].pixels)
    command, lacks = page.command
    return "\n".join(
        [
            f'<article aria-labelledby="name-{number}">',
            f'<p class="caution" role="note">{"<br>".join(map(escape, page.cautions))}</p>' if page.cautions else "",
            f'<header><h1 id="name-{number}">{escape(page.name)}</h1><p class="banner">{DISCLAIMER}</p></header>',
            '<div class="columns three">',
            f"<section><h2>Its answer</h2>{_write_answers(page)}</section>",
            f"<section><h2>The picture</h2>{_write_facts(page.picture)}</section>",
            f"<section><h2>The model</h2>{_write_facts(page.model)}</section>",
            "</div>",
            _write_panes(page.panes, columns),
            f'<p class="note">{escape(page.legend)}</p>' if page.legend else "",
            '<div class="flow">',
            *(f"<h2>{escape(title)}</h2><ul>{_list(map(_write_said, lines))}</ul>" for title, lines in page.sections),
            "</div>",
            f'<dl class="proof fine">{_list_facts(page.proof)}<dt>To make it again</dt>'
            f"<dd>{escape(lacks)} <code>{escape(command)}</code></dd></dl>",
            "" if page.series is None else _write_series(page.series, number),
            "</article>",
        ]
    )


def _write_series(sheet: Sheet, number: int) -> str:
    return "\n".join(
        [
            f'<section class="series" aria-labelledby="series-{number}">',
            f'<header><h2 id="series-{number}">{escape(sheet.title)}</h2><p class="banner">{DISCLAIMER}</p></header>',
            f"<ul>{_list(map(_write_said, sheet.said))}</ul>",
            _write_strip(sheet),
            _write_panes(sheet.panes, sheet.columns),
            f'<p class="note">{escape(sheet.legend)}</p>',
            "</section>",
        ]
    )


def _write_strip(sheet: Sheet) -> str:
    """The strip, whose words stand above it."""
    drawing = draw_strip(sheet.lanes, sheet.count, sheet.missing, sheet.keys, _STRIP)
    rects = (
        f'<rect x="{one.x:.2f}" y="{one.y:.2f}" width="{one.width:.2f}" height="{one.height:.2f}" fill="{one.colour}"/>'
        for one in drawing.rects
    )
    texts = (
        f'<text x="{one.x:.1f}" y="{one.y:.1f}" font-size="{one.size}" text-anchor="{one.anchor}" fill="{one.colour}" '
        f'font-weight="{700 if one.bold else 400}">{escape(one.words)}</text>'
        for one in drawing.texts
    )
    said = f"Bars for each of {sheet.count:,} slices: {', '.join(lane.title for lane in sheet.lanes)}."
    return (
        f'<svg class="strip" viewBox="0 0 {drawing.width:.0f} {drawing.height:.0f}" role="img" '
        f'aria-label="{escape(said)}">{"".join(rects)}{"".join(texts)}</svg>'
    )


def _list(items: Iterable[str]) -> str:
    return "".join(f"<li>{item}</li>" for item in items)


def _write_facts(facts: Facts) -> str:
    return f"<dl>{_list_facts(facts)}</dl>"


def _list_facts(facts: Facts) -> str:
    return "".join(f"<dt>{escape(term)}</dt><dd>{escape(said)}</dd>" for term, said in facts)


def _write_answers(page: Page) -> str:
    lines = [
        f'<div class="line{" explained" if answer.explained else ""}"><span>{escape(answer.label)}</span>'
        f"<span>{escape(answer.text)}</span></div>"
        f'<div class="track"><span style="width: {100 * answer.share:.1f}%"></span></div>'
        for answer in page.answers
    ]
    return f'<ol class="answers">{_list(lines)}</ol><p class="note">{escape(page.explained)}</p>'


def _write_panes(panes: Sequence[Pane], columns: int) -> str:
    written = "\n".join(map(_write_pane, panes))
    return f'<div class="panes" style="grid-template-columns: repeat({columns}, minmax(0, 1fr))">\n{written}\n</div>'


def _write_pane(pane: Pane) -> str:
    caption = [f"<h3>{escape(pane.title)}</h3>"]
    if pane.bar is not None:
        caption.append(_write_bar(pane.bar))
    caption += [f'<p class="verdict">{escape(pane.verdict)}</p>'] if pane.verdict else []
    caption += [f"<p>{escape(share)}</p>" for share in pane.shares]
    return (
        f'<figure><div class="framed"><img src="{_encode(pane.pixels)}" alt="{escape(pane.alt)}">'
        f"{_write_marks(pane)}</div><figcaption>{''.join(caption)}</figcaption></figure>"
    )


def _write_bar(bar: Bar) -> str:
    ends = "".join(f"<span>{escape(label)}</span>" for label in bar.labels if label)
    low, _, high = bar.labels
    alt = f"Colours from {low} to {high}." if high else f"One colour: {low}."
    return f'<img class="bar" src="{_encode(bar.colours[None])}" alt="{escape(alt)}"><p class="ends">{ends}</p>'


def _write_marks(pane: Pane) -> str:
    """Letters, scale and outlines over a pane, which the words beside it say too."""
    height, width = pane.pixels.shape[:2]
    size = max(height, width) / 14
    marks = []
    for ring in pane.rings:
        corners = " ".join(f"{x * width:.1f},{y * height:.1f}" for x, y in ring)
        for colour, line in (("#000", size / 4), ("#fff", size / 10)):
            marks.append(f'<polygon points="{corners}" fill="none" stroke="{colour}" stroke-width="{line:.1f}"/>')
    if pane.edges:
        middle, right, bottom = size * 0.7, width - size * 0.7, height - size * 0.6
        places = ((width / 2, middle), (right, height / 2), (width / 2, bottom), (middle, height / 2))
        for letter, (x, y) in zip(pane.edges, places, strict=True):
            marks.append(
                f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size:.0f}" text-anchor="middle" '
                'dominant-baseline="central" fill="#fff" stroke="#000" stroke-width="3" paint-order="stroke" '
                f'font-weight="700">{letter}</text>'
            )
    if pane.scale:
        left, down = size * 0.4, height - size * 0.5
        right = left + pane.scale.share * width
        for colour, line in (("#000", size / 4), ("#fff", size / 9)):
            marks.append(f'<path d="M{left:.0f} {down:.0f}H{right:.0f}" stroke="{colour}" stroke-width="{line:.1f}"/>')
        marks.append(
            f'<text x="{left:.0f}" y="{down - size * 0.35:.0f}" font-size="{size * 0.75:.0f}" fill="#fff" '
            f'stroke="#000" stroke-width="3" paint-order="stroke">{pane.scale.millimetres} mm</text>'
        )
    if not marks:
        return ""
    return f'<svg viewBox="0 0 {width} {height}" aria-hidden="true">{"".join(marks)}</svg>'


def _write_said(said: Said) -> str:
    words = "".join(
        f"<b>{escape(words)}</b>{after}" for words, after in ((said.word, " · "), (said.maps, ": ")) if words
    )
    return f"{words}{escape(said.sentence)}"


def _encode(pixels: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode("ascii")
