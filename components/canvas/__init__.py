"""The canvas: a grid of pictures with their maps, upsampled, coloured and blended in the browser.

One component draws the whole grid, not one row: Streamlit sends a component's script and styles with every update, so
that rows of their own would send them once a row, and the toolbar, the crosshair and the shared scale cross panes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import streamlit as st
from pydantic import ValidationError
from streamlit import runtime

from explain.geometry import Box
from explain.render import COLOUR_TABLES, DIVERGING, SHADES, RenderSettings, encode_png

LONGEST_SIDE = 2048  # pixels of a picture sent to the browser; a larger one is reduced, and its row says so

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Choice:
    """A class offered below a picture, as a button with a bar.

    Attributes:
        label: its name.
        share: length of the bar, 0…1; written out as per cent.
        chosen: whether it is the one explained.
        action: comes back in `CanvasEvent.action`.
    """

    label: str
    share: float
    chosen: bool
    action: str


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
    """

    key: str
    label: str
    pixels: np.ndarray
    digest: str
    panes: Sequence[Pane]
    detail: str = ""


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


def _build_script() -> str:
    """The component's script, headed by what it shares with the renderer: colour tables and declared settings."""
    shared = {
        "tables": {name: _encode(table) for name, table in {**COLOUR_TABLES, "diverging": DIVERGING}.items()},
        "shades": SHADES,
        "settings": RenderSettings.model_json_schema()["properties"],
    }
    return f"const SHARED = {json.dumps(shared)};\n" + (_FOLDER / "canvas.js").read_text(encoding="utf-8")


_mount = st.components.v2.component(
    "camscope_canvas", js=_build_script(), css=(_FOLDER / "canvas.css").read_text(encoding="utf-8")
)


def canvas(rows: Sequence[Row], view: RenderSettings, key: str) -> CanvasAnswer:
    """Show the grid.

    Args:
        rows: what to show. Rows and panes are matched by key with those on the page, which are updated in place.
        view: how maps are shown at first. Later on the person's own choice stands until a different `view` is given.
        key: the component's key on the page.
    """
    data = {"view": view.model_dump(), "rows": [_describe_row(row, key) for row in rows]}
    result = _mount(key=key, data=data, on_view_change=lambda: None, on_action_change=lambda: None)
    return CanvasAnswer(_read_view(result.get("view"), view), _read_event(result.get("action")))


def _read_view(reported: Any, given: RenderSettings) -> RenderSettings:
    """The view the person chose, unless `given` is news that the browser has not seen yet."""
    try:
        chosen = RenderSettings.model_validate(reported["chosen"])
        known = RenderSettings.model_validate(reported["given"])
    except (TypeError, KeyError, ValidationError):
        return given
    return chosen if given in (chosen, known) else given


def _read_event(reported: Any) -> CanvasEvent | None:
    """The button the browser reported, where it is one."""
    if not isinstance(reported, dict):
        return None
    names = [reported.get(name) for name in ("row", "pane", "action")]
    return CanvasEvent(*names) if all(isinstance(name, str) for name in names) else None


def _describe_row(row: Row, key: str) -> dict[str, Any]:
    """A row as the browser gets it."""
    height, width = row.pixels.shape[:2]
    png, (shown_height, shown_width) = _encode_picture(row.pixels, row.digest, row.pixels.shape)
    notes = []
    if (shown_height, shown_width) != (height, width):
        notes.append(f"Shown at {shown_width} × {shown_height} of its {width} × {height} pixels.")
    if any(pane.values is not None and _hides_some(pane.box, height, width) for pane in row.panes):
        notes.append("Hatched: cropped away, the model did not see it.")
    return {
        "key": row.key,
        "label": row.label,
        "detail": row.detail,
        "notes": notes,
        "picture": {
            "url": _publish(png, row.digest, f"{key}/{row.key}"),
            "digest": f"{row.digest}/{shown_width}×{shown_height}",
            "width": width,
            "height": height,
        },
        "panes": [_describe_pane(pane, height, width) for pane in row.panes],
    }


def _describe_pane(pane: Pane, height: int, width: int) -> dict[str, Any]:
    """A pane as the browser gets it."""
    box = pane.box or (0.0, 0.0, float(width), float(height))
    message, values, alt = pane.message, pane.values, pane.alt or pane.title
    if values is not None and not np.isfinite(values).all():
        message = message or "The map holds values that are not numbers, so it is not shown."
    if message is not None:
        values, alt = None, f"{alt}: {message}"
    if values is not None:
        alt = f"{alt}. {describe_peak(values, box, height, width)}"
    return {
        "key": pane.key,
        "title": pane.title,
        "sentence": pane.sentence,
        "time": pane.time,
        "warnings": list(pane.warnings),
        "message": message,
        "action": list(pane.action) if pane.action else None,
        "choices": [asdict(choice) for choice in pane.choices],
        "alt": alt,
        "box": [float(edge) for edge in box],
        "map": None
        if values is None
        else {
            "height": values.shape[0],
            "width": values.shape[1],
            "values": _encode(np.ascontiguousarray(values, dtype="<f4")),
        },
    }


def describe_peak(values: np.ndarray, box: Box, height: int, width: int) -> str:
    """Where the map is highest, as a sentence for those who do not see it."""
    if not (values > 0).any():
        return "Nothing in it is above zero."
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    x = (box[0] + (column + 0.5) * (box[2] - box[0]) / values.shape[1]) / width
    y = (box[1] + (row + 0.5) * (box[3] - box[1]) / values.shape[0]) / height
    return f"Its peak lies {x:.0%} from the left and {y:.0%} from the top."


def _hides_some(box: Box | None, height: int, width: int) -> bool:
    """Whether some pixel's centre lies outside the box."""
    if box is None:
        return False
    return box[0] > 0.5 or box[1] > 0.5 or box[2] <= width - 0.5 or box[3] <= height - 0.5


@st.cache_data(max_entries=24, ttl="1h", show_spinner=False)
def _encode_picture(_pixels: np.ndarray, digest: str, shape: tuple[int, ...]) -> tuple[bytes, tuple[int, int]]:
    """The picture as PNG, no longer than `LONGEST_SIDE`, with its height and width. Kept by digest, never by pixels."""
    height, width = shape[:2]
    factor = LONGEST_SIDE / max(height, width)
    if factor >= 1:
        return encode_png(_pixels), (height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return encode_png(cv2.resize(_pixels, size, interpolation=cv2.INTER_AREA)), (size[1], size[0])


def _publish(png: bytes, digest: str, place: str) -> str:
    """An address at which the browser gets the picture once, instead of with every update.

    The digest goes in as a file name because Streamlit names files above 1 MiB by a sample of their bytes, under which
    two scans can be one.
    """
    if not runtime.exists():
        return ""
    address = runtime.get_instance().media_file_mgr.add(png, "image/png", place, file_name=f"{digest}.png")
    folder = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{folder}{address}" if folder else address
