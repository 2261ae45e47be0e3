"""Pictures of a run with their maps over them, a page at a time; one that is pressed goes to Compare."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from components.browser.cards import Card, Frame, cards
from components.choices.chosen_model import ModelChoice, use_choice
from components.choices.pictures import get_tray
from components.collections.choosing import Opened
from components.collections.views import PAGE
from components.maps.frames import TINY, Ground, draw_frame, encode_address, prepare_ground
from components.words import format_share
from explain.collections.gathered import KeptMap
from explain.errors import PictureError, make_printable
from explain.pictures.geometry import Box

ON_A_PAGE = 24
_GREY = 128
_LONGEST_NAME = 17
OPENING = "collection-opening"
"""Of the session's state: a picture was pressed, and Compare is to be opened."""


def show_wall(run: Opened, rows: Sequence[int], method: str, figure: tuple[str, str]) -> None:
    """A card for each row.

    Args:
        run: the run.
        rows: those of the page.
        method: whose maps are shown.
        figure: the column that they are sorted by, and what to call it; empty where they are not.
    """
    told = run.table.read_rows(rows)
    grounds = prepare_grounds(run, rows, told)
    maps = run.table.read_maps(rows, method)
    items = [build_card(row, one, grounds[row], maps.get(row), figure) for row, one in zip(rows, told, strict=True)]
    cards(items, "collection-wall", "Pictures of the run", TINY, "wall", on_press=lambda key: press(run, int(key)))


def build_card(
    row: int, told: dict[str, Any], ground: Ground | None, kept: KeptMap | None, figure: tuple[str, str] = ("", "")
) -> Card:
    """The card of a picture: its map, what the model says, and what it is sorted by."""
    name = make_printable(str(told["uri"] or "").rpartition("/")[2] or f"Picture {row + 1}", _LONGEST_NAME, 8)
    if told["state"] == "failed":
        return Card(str(row), name, [f"Failed. {told['error']}"])
    share = told["probability"]
    answer = f"{told['predicted']} {format_share(share)}" if share is not None else str(told["predicted"])
    lines = [answer]
    if told["label"] and told["correct"] is not True:
        lines.append(f"{'✕ ' if told['correct'] is False else ''}labelled {told['label']}")
    column, title = figure
    if column and column not in ("probability",):
        value = told[column]
        lines.append(f"{title} {'–' if value is None else f'{value:.2f}'}")
    ground = ground or Ground(np.full(_shrink(told), _GREY, np.uint8), _find_factor(told), name)
    if kept is None:
        frame = Frame(encode_address(ground.pixels, 85), f"{name}, of which there is no map")
    else:
        # What the model saw of each picture has one shape, so that cards are of one size.
        box = kept.box.clipped((told["height"], told["width"]))
        seen = Ground(ground.pixels[box.scaled(ground.factor).slices], ground.factor, name)
        lies = Box.whole([side / ground.factor for side in seen.pixels.shape[:2]])
        frame = draw_frame(seen, kept.values, lies, f"Map of {told['target']}", quality=85)
    return Card(str(row), name, lines, [frame])


def _find_factor(told: dict[str, Any]) -> float:
    return min(1.0, TINY / max(told["height"], told["width"]))


def _shrink(told: dict[str, Any]) -> tuple[int, int, int]:
    """The shape of a picture of which nothing but its size is known."""
    factor = _find_factor(told)
    return max(1, round(told["height"] * factor)), max(1, round(told["width"] * factor)), 3


def prepare_grounds(run: Opened, rows: Sequence[int], told: Sequence[dict[str, Any]]) -> dict[int, Ground | None]:
    """The pictures made small: as they were kept, or read from where they lie; None where neither can be had."""
    kept = run.table.read_thumbnails(rows) if run.table.has_thumbnails else {}
    grounds: dict[int, Ground | None] = {}
    for row, one in zip(rows, told, strict=True):
        if row in kept:
            pixels = np.asarray(Image.open(io.BytesIO(kept[row])).convert("RGB"))
            grounds[row] = Ground(pixels, pixels.shape[1] / one["width"], "the picture")
        else:
            grounds[row] = None if one["uri"] is None else _read_ground(run.table.digest, row, run)
    return grounds


@st.cache_resource(max_entries=1024, ttl=900, show_spinner=False)
def _read_ground(digest: str, row: int, _run: Opened) -> Ground | None:
    try:
        return prepare_ground(_run.reader.open(row), TINY)
    except PictureError:
        return None


def press(run: Opened, row: int) -> None:
    """Choose the picture, and the model of the run, for Compare.

    Raises:
        PictureError: it cannot be read, or has changed since the run.
    """
    picture = run.reader.open(row)
    tray = get_tray()
    tray.put(picture)
    tray.shown = [picture.digest]
    manifest = run.table.manifest
    if manifest.model.source in ("bundled", "hub"):
        use_choice(ModelChoice(manifest.model))
    st.session_state[OPENING] = True


def turn_pages(count: int) -> int:
    """Offer the pages of so many pictures; the number of the page in view, from 0."""
    pages = max(1, -(-count // ON_A_PAGE))
    page = min(max(int(st.session_state.get(PAGE, 1)), 1), pages)
    st.session_state[PAGE] = page
    if pages == 1:
        return 0
    with st.container(key="collection-pages", horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "",
            key="page-back",
            icon=":material/chevron_left:",
            on_click=_turn,
            args=(-1,),
            disabled=page == 1,
            help="Page before",
        )
        st.markdown(f"Page {page:,} of {pages:,}", width="content")
        st.button(
            "",
            key="page-on",
            icon=":material/chevron_right:",
            on_click=_turn,
            args=(1,),
            disabled=page == pages,
            help="Next page",
        )
    return page - 1


def _turn(step: int) -> None:
    st.session_state[PAGE] = int(st.session_state.get(PAGE, 1)) + step
