"""The canvas: a grid of pictures with their maps, upsampled, coloured and blended in the browser.

One component draws the whole grid, not one row: the toolbar, the crosshair and the shared scale cross panes. Streamlit
sends a component's script and styles with every update, so what it is given is `loader.js`, a few lines that fetch the
rest once from an address that names its content.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import streamlit as st
from pydantic import ValidationError

from components.browser.canvas.files import publish
from components.browser.canvas.stack import Place, Stack, describe_stack, read_place, read_places
from components.browser.late_marks import Said
from explain.maps.figure import DISCLAIMER
from explain.maps.heatmap import describe_peak
from explain.maps.region_share import SAMPLES
from explain.maps.render import (
    CLIPPED,
    COLOUR_TABLES,
    DIVERGING,
    FLAT,
    HATCH_LIFT,
    HATCHES,
    LEVELS,
    PARTING,
    QUIET_GAIN,
    SHADES,
    UNSEEN_GAIN,
    UNSEEN_LIFT,
    RenderSettings,
    encode_png,
    is_grey,
)
from explain.methods.base import Painting
from explain.pictures.geometry import Box
from explain.volumes.windows import CT_PRESETS

LONGEST_SIDE = 2048  # pixels of a picture sent to the browser at first; zooming into a larger one fetches all of it

MOST_CORNERS = 4096
"""Of an outline that the browser reports; it thins out longer ones. No hand's stroke needs more."""

V = TypeVar("V", bound=RenderSettings)

_FOLDER = Path(__file__).parent
_STYLES = ("canvas.css", "stack.css", "slide.css")
_PARTS = (
    "arithmetic.js",
    "pictures.js",
    "slices.js",
    "regions.js",
    "scene.js",
    "hand.js",
    "columns.js",
    "drawer.js",
    "news.js",
    "verdict.js",
    "stack.js",
    "planes.js",
    "bar.js",
    "sides.js",
    "pane.js",
    "slide.js",
    "memory.js",
    "row.js",
    "toolbar.js",
    "canvas.js",
)


@dataclass(frozen=True)
class Choice:
    """A class offered below a picture, as a button with a bar.

    Attributes:
        label: its name.
        share: length of the bar, 0…1; written out as per cent.
        chosen: whether it is the one explained.
        action: comes back in `CanvasEvent.action`.
        text: written in place of the share, such as a number that is no share.
    """

    label: str
    share: float
    chosen: bool
    action: str
    text: str = ""


@dataclass(frozen=True, eq=False)
class Pane:
    """One pane of a row: a map on the row's picture, the plain picture, or a sentence why there is no map.

    Attributes:
        key: unique within the row; a pane keeps its place on the page as long as its key stays.
        title: usually the method's name.
        sentence: one line, what the map shows.
        time: e.g. `12 ms`.
        warnings: sentences that belong beside the map.
        values: the raw map `(h, w)` float32, or None.
        box: where the map lies, in the original picture's pixels; None for the whole picture.
        message: shown instead of a map.
        action: a button in the pane: its label, and the word that comes back in `CanvasEvent.action`.
        alt: what the pane shows, in words: method and class. Where the peak lies is added here.
        choices: classes to choose from, below the picture.
        origin: which other model the map is from, and its class; stands beside the title.
        settings: key of the container on the page whose settings open under the title; empty for none.
        faint: what it shows hardly counts, and is drawn pale.
        painting: what the map is like.
        strength: how strongly it is drawn, 0…1; see `RenderSettings.weigh`.
        unit: maps of one unit share a scale, where the view shares scales; those of no named one within their row.
        outlines: places drawn on this pane alone.
        outlined: a line on them.
    """

    key: str
    title: str
    sentence: str = ""
    time: str = ""
    warnings: tuple[str, ...] = ()
    values: np.ndarray | None = None
    box: Box | None = None
    message: str | None = None
    action: tuple[str, str] | None = None
    alt: str = ""
    choices: tuple[Choice, ...] = ()
    origin: str = ""
    settings: str = ""
    faint: bool = False
    painting: Painting = "smooth"
    strength: float = 1.0
    unit: str = ""
    outlines: Sequence[Outline] = ()
    outlined: str = ""


@dataclass(frozen=True, eq=False)
class Outline:
    """A part of a picture with its name, drawn on every pane of the row; the name stands on panes without a map.

    Attributes:
        name: what the part is called; empty where it would hide the part.
        rings: closed polygons of corners `(x, y)` in the picture's pixels.
    """

    name: str
    rings: Sequence[Sequence[tuple[float, float]]]


@dataclass(frozen=True, eq=False)
class Row:
    """One picture and its panes.

    Attributes:
        key: unique within the canvas.
        label: the picture's name.
        pixels: `(H, W, 3)` uint8 RGB, at the picture's own resolution.
        digest: identity of `pixels`. The browser keeps pictures by it: other pixels need another digest.
        panes: from left to right.
        detail: what else names the row, e.g. the class with its probability.
        outlines: parts of the picture to show.
        notes: sentences on the picture, below it.
        settings: as a pane's, where all panes of the row share them.
        caution: a sentence that must be read first, in amber under the name; the answers are then greyed.
        remedy: a button beside it: its label, and the word that comes back in `CanvasEvent.action`.
        measured: what the caution rests on, as a mark that opens a card; None where nothing was measured.
        stack: the series that the picture is a slice of, where it is to be scrolled here.
        sentence: what was measured of it, in a paragraph below the picture; another may come with late marks.
    """

    key: str
    label: str
    pixels: np.ndarray
    digest: str
    panes: Sequence[Pane]
    detail: str = ""
    outlines: Sequence[Outline] = ()
    notes: Sequence[str] = ()
    settings: str = ""
    caution: str = ""
    remedy: tuple[str, str] | None = None
    measured: Said | None = None
    stack: Stack | None = None
    sentence: str = ""


@dataclass(frozen=True)
class Drawn:
    """A box or lasso that the person drew: on which picture, and its corners `(x, y)` in that picture's pixels."""

    digest: str
    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class CanvasEvent:
    """A pane's button was pressed. `row` and `pane` are their keys, `action` the button's word."""

    row: str
    pane: str
    action: str


@dataclass(frozen=True)
class CanvasAnswer:
    """What the person did.

    Attributes:
        view: how the maps are shown now. Moving the controls sends nothing; the browser reports once the pointer or
            the focus leaves the canvas, so that it is up to date before anything else on the page can be pressed.
        event: the button pressed since the last run, or None. It comes once.
    """

    view: RenderSettings
    event: CanvasEvent | None = None


def _encode(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")


def _build_script() -> bytes:
    """All of the script but the loader, headed by what it shares with Python, which is written down here alone."""
    shared = {
        "tables": {
            name: _encode(table)
            for name, table in {**COLOUR_TABLES, "diverging": DIVERGING, "parting": PARTING}.items()
        },
        "shades": SHADES,
        "samples": SAMPLES,
        "flat": FLAT,
        "clipped": CLIPPED,
        "quiet": QUIET_GAIN,
        "levels": LEVELS,
        "hatches": HATCHES,
        "unseen": {"gain": UNSEEN_GAIN, "lift": UNSEEN_LIFT, "hatch": HATCH_LIFT},
        "most_corners": MOST_CORNERS,
        "settings": RenderSettings.model_json_schema()["properties"],
        "disclaimer": DISCLAIMER,
        "presets": [preset.name for preset in CT_PRESETS],
        "styles": "".join(
            (_FOLDER / name).read_text(encoding="utf-8") for name in ("canvas.css", "stack.css", "slide.css")
        ),
    }
    parts = [(_FOLDER / part).read_text(encoding="utf-8") for part in _PARTS]
    return "\n".join([f"const SHARED = {json.dumps(shared)};", *parts]).encode()


_SCRIPT = _build_script()
_SCRIPT_DIGEST = hashlib.sha256(_SCRIPT).hexdigest()

_mount = st.components.v2.component("camscope_canvas", js=(_FOLDER / "loader.js").read_text(encoding="utf-8"))


def canvas(
    rows: Sequence[Row],
    view: RenderSettings,
    key: str,
    drawing: bool = False,
    news: bool = False,
    below: str = "",
    question: str = "",
) -> CanvasAnswer:
    """Show the grid.

    Args:
        rows: what to show. Rows and panes are matched by key with those on the page, which are updated in place.
        view: how maps are shown at first. Later on the person's own choice stands until a different `view` is given.
            The browser tells of what is declared here, and of a `CanvasView` soon after each change.
        key: the component's key on the page.
        drawing: say when a box or lasso is drawn, which `read_drawn` then gives.
        news: say on top, with the way there, what is new and not in view: maps and pictures since the last grid that
            had news.
        below: key of a container below the grid that news lead to as well, once it is there; its words are its label.
        question: what the rows answer, where marks are to come later; see `components.browser.late_marks`.
    """
    wanted = _read_wanted(st.session_state.get(key))
    data = {
        "script": publish(_SCRIPT, "text/javascript", f"{_SCRIPT_DIGEST}.js", f"{key}:script"),
        "view": view.model_dump(),
        "rows": [_describe_row(row, key, row.digest in wanted) for row in rows],
        "drawing": drawing,
        "news": news,
        "below": below,
        "question": question,
    }
    result = _mount(
        key=key,
        data=data,
        on_view_change=lambda: None,
        on_wanted_change=lambda: None,
        on_action_change=lambda: None,
        on_drawn_change=lambda: None,
        on_places_change=lambda: None,
        on_near_change=lambda: None,
        on_planes_change=lambda: None,
    )
    return CanvasAnswer(_read_view(result.get("view"), view), _read_event(result.get("action")))


def read_view(key: str, given: V) -> V:
    """How the canvas of `key` shows maps, before it is put on the page again; `given` where it was not there yet."""
    state = st.session_state.get(key)
    return _read_view(state.get("view") if isinstance(state, Mapping) else None, given)


def _read_view(reported: Any, given: V) -> V:
    """The view the person chose, unless `given` is news that the browser has not seen yet."""
    try:
        chosen = type(given).model_validate(reported["chosen"])
        known = type(given).model_validate(reported["given"])
    except (TypeError, KeyError, ValidationError):
        return given
    return chosen if given in (chosen, known) else given


def read_event(key: str) -> CanvasEvent | None:
    """The button pressed in a canvas, before that canvas is drawn again; None where none was."""
    state = st.session_state.get(key)
    return _read_event(state.get("action")) if isinstance(state, Mapping) else None


def read_stack_places(key: str) -> list[Place]:
    """What a person has come to look at in stacks since the last run; nothing where the hand has not moved."""
    state = st.session_state.get(key)
    return read_places(state.get("places")) if isinstance(state, Mapping) else []


def read_near(key: str, volume: str) -> Place | None:
    """Around which slice of a series the browser wants slices, while the hand still moves."""
    state = st.session_state.get(key)
    near = state.get("near") if isinstance(state, Mapping) else None
    return read_place(near.get(volume)) if isinstance(near, Mapping) else None


def read_planes(key: str) -> Any:
    """What the browser reported of the other planes of a stack; see `components.browser.canvas.stack.read_cross`."""
    state = st.session_state.get(key)
    return state.get("planes") if isinstance(state, Mapping) else None


def read_drawn(key: str) -> Drawn | None:
    """The box or lasso that stands in a canvas that reports them; None where there is none."""
    state = st.session_state.get(key)
    reported = state.get("drawn") if isinstance(state, Mapping) else None
    if not isinstance(reported, Mapping) or not isinstance(reported.get("digest"), str):
        return None
    try:
        corners = np.asarray(reported["corners"], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        return None
    if corners.ndim != 2 or corners.shape[1] != 2 or not 3 <= len(corners) <= MOST_CORNERS:
        return None
    if not np.isfinite(corners).all():
        return None
    return Drawn(reported["digest"], tuple((float(x), float(y)) for x, y in corners))


def _read_wanted(state: Any) -> frozenset[str]:
    """Digests of the pictures the browser has zoomed into so far that it wants every pixel of them."""
    reported = state.get("wanted") if isinstance(state, Mapping) else None
    return frozenset(map(str, reported)) if isinstance(reported, list) else frozenset()


def _read_event(reported: Any) -> CanvasEvent | None:
    """The button the browser reported, where it is one."""
    if not isinstance(reported, dict):
        return None
    row, pane, action = (reported.get(name) for name in ("row", "pane", "action"))
    if not (isinstance(row, str) and isinstance(pane, str) and isinstance(action, str)):
        return None
    return CanvasEvent(row, pane, action)


def _describe_row(row: Row, key: str, whole: bool) -> dict[str, Any]:
    """A row as the browser gets it; `whole` if every pixel of a large picture is wanted."""
    height, width = row.pixels.shape[:2]
    notes = list(row.notes)
    boxes = [pane.box for pane in row.panes if pane.values is not None and pane.box is not None]
    if not all(box.covers((height, width)) for box in boxes):
        notes.append("Hatched: cropped away, the model did not see it.")
    address = f"{key}/{row.key}"
    stack, is_drawn_there = None, False
    if row.stack is not None:
        # Of one key whichever slice it is: its place on the page stays, and so do the addresses of its files.
        address = f"{key}/{row.stack.volume.digest} {row.key.partition(' ')[2]}".strip()
        stack = describe_stack(row.stack, lambda pane: _describe_pane(pane, height, width), address)
        is_drawn_there = stack["slices"].get(row.stack.index, {}).get("exact", False)
    return {
        "key": address.partition("/")[2],
        "name": row.key,
        "stack": stack,
        "label": row.label,
        "detail": row.detail,
        "notes": notes,
        "caution": row.caution,
        "remedy": list(row.remedy) if row.remedy else None,
        "measured": asdict(row.measured) if row.measured else None,
        "picture": {
            "digest": row.digest,
            "width": width,
            "height": height,
            "grey": _is_grey(row.pixels, row.digest),
            "first": None if is_drawn_there else _describe_file(row.pixels, row.digest, LONGEST_SIDE, address),
            "whole": _describe_file(row.pixels, row.digest, max(height, width), f"{address}:whole") if whole else None,
        },
        "panes": [_describe_pane(pane, height, width) for pane in row.panes],
        "outlines": [_describe_outline(outline) for outline in row.outlines],
        "settings": row.settings,
        "sentence": row.sentence,
    }


def _describe_outline(outline: Outline) -> dict[str, Any]:
    """A part as the browser gets it, with the place of its name: above the middle of its largest ring."""
    rings = [[[round(x, 1), round(y, 1)] for x, y in ring] for ring in outline.rings]
    largest = np.asarray(max(outline.rings, key=len, default=[(0.0, 0.0)]))
    x, y = (largest.min(0) + largest.max(0)) / 2
    return {"name": outline.name, "rings": rings, "at": [float(x), float(y)]}


def _describe_file(pixels: np.ndarray, digest: str, longest_side: int, place: str) -> dict[str, Any]:
    """A picture as a file that the browser fetches: its address and its size."""
    png, (height, width) = _encode_picture(pixels, digest, longest_side)
    url = publish(png, "image/png", f"{digest}-{width}.png", place)
    return {"url": url, "key": f"{digest}/{width}×{height}", "width": width, "height": height}


def _describe_pane(pane: Pane, height: int, width: int) -> dict[str, Any]:
    """A pane as the browser gets it."""
    box = pane.box or Box.whole((height, width))
    message, values, alt = pane.message, pane.values, pane.alt or pane.title
    if values is not None and not np.isfinite(values).all():
        message = message or "The map holds values that are not numbers, so it is not shown."
    if message is not None:
        values, alt = None, f"{alt}: {message}"
    if values is not None:
        alt = f"{alt}, {describe_peak(values, box, height, width)}."
    return {
        "key": pane.key,
        "title": pane.title,
        "sentence": pane.sentence,
        "time": pane.time,
        "warnings": list(pane.warnings),
        "message": message,
        "action": list(pane.action) if pane.action else None,
        "choices": [asdict(choice) for choice in pane.choices],
        "origin": pane.origin,
        "settings": pane.settings,
        "alt": alt,
        "faint": pane.faint,
        "box": [float(edge) for edge in box],
        "painting": pane.painting,
        "strength": pane.strength,
        "unit": pane.unit,
        "outlines": [_describe_outline(outline) for outline in pane.outlines],
        "outlined": pane.outlined,
        "map": None
        if values is None
        else {
            "height": values.shape[0],
            "width": values.shape[1],
            "values": _encode(np.ascontiguousarray(values, dtype="<f4")),
        },
    }


@st.cache_resource(max_entries=256, ttl="1h", show_spinner=False)
def _is_grey(_pixels: np.ndarray, digest: str) -> bool:
    """Whether the picture has no colours. Kept by digest, never by pixels."""
    return is_grey(_pixels)


@st.cache_resource(max_entries=24, ttl="1h", show_spinner=False)
def _encode_picture(_pixels: np.ndarray, digest: str, longest_side: int) -> tuple[bytes, tuple[int, int]]:
    """The picture as PNG, no longer than `longest_side`, with its height and width. Kept by digest, never by pixels."""
    height, width = _pixels.shape[:2]
    factor = longest_side / max(height, width)
    if factor < 1:
        width, height = max(1, round(width * factor)), max(1, round(height * factor))
        _pixels = cv2.resize(_pixels, (width, height), interpolation=cv2.INTER_AREA)
    # A radiograph is grey: a third of the bytes, and half the time.
    return encode_png(_pixels[..., 0] if is_grey(_pixels) else _pixels), (height, width)
