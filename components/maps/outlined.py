"""Areas that other files outline in a series: how much of each map lies in them on the slice in view."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
import streamlit as st

from components.browser.cards import Card, Frame, cards
from components.maps.frames import SMALL, encode_address
from explain.engine.explanation import PictureExplanation
from explain.maps.region_share import mask_share
from explain.methods import get_method
from explain.percent import write_percent
from explain.pictures.geometry import Box
from explain.pictures.picture import Section
from explain.volumes.volume import Volume

_LINE = (213, 94, 0)


@dataclass(frozen=True, eq=False)
class Area:
    """An outlined area on a slice.

    Attributes:
        name: what it is called.
        mask: its pixels, `(H, W)` bool.
        seen: its share of what the model saw: what a map has in it that is the same everywhere.
        shares: by method, the share of what is above zero in the map; None of one that is blank.
    """

    name: str
    mask: np.ndarray
    seen: float
    shares: dict[str, float | None]


def find_areas(volume: Volume, section: Section, entry: PictureExplanation) -> list[Area]:
    """The areas that a slice runs through, the largest first.

    Args:
        volume: the series.
        section: the slice.
        entry: what was answered of it.
    """
    found = []
    for name in volume.regions:
        mask = volume.cut_region(name, section.index, section.plane)  # type: ignore[arg-type]
        if not mask.any():
            continue
        maps = {heatmap.method: heatmap for heatmap in entry.maps}
        box = next((heatmap.box for heatmap in entry.maps), Box.whole(mask.shape))
        seen = mask_share(np.ones((1, 1), np.float32), box, mask) or 0.0
        shares = {name: mask_share(one.values, one.box, mask) for name, one in maps.items()}
        found.append(Area(name, mask, seen, shares))
    return sorted(found, key=lambda area: -int(area.mask.sum()))


def show_areas(volume: Volume, section: Section, entry: PictureExplanation) -> None:
    """A card for each area on the slice in view; nothing where no file outlines any."""
    if not volume.regions:
        return
    areas = find_areas(volume, section, entry)
    if not areas:
        st.caption(f"Of the {len(volume.regions)} areas that are outlined in this series none is on this slice.")
        return
    items = [build_card(area, entry) for area in areas]
    st.markdown("**Outlined areas on this slice**")
    st.caption(
        "Outlined in another file: how much of each map, where it is above zero, lies inside. By chance: what a map "
        "that is the same everywhere would have."
    )
    cards(items, "outlined-areas", "Outlined areas on this slice", width=SMALL)


def build_card(area: Area, entry: PictureExplanation) -> Card:
    """The slice with the area's outline, and the shares."""
    lines = [f"{get_method(name).title} {_say(share)}" for name, share in area.shares.items()]
    alt = f"{area.name} on {entry.picture.name}, {_say(area.seen)} of what the model saw"
    drawn = _draw_address(
        entry.picture.pixels, area.mask, entry.picture.digest, hashlib.sha256(area.mask.tobytes()).hexdigest()
    )
    frame = Frame(drawn, alt)
    return Card(area.name, area.name, [*lines, f"by chance {_say(area.seen)}"], [frame])


@st.cache_resource(max_entries=64, show_spinner=False)
def _draw_address(_pixels: np.ndarray, _mask: np.ndarray, digest: str, mask_digest: str) -> str:
    """The picture as a file's address, once: a slider moves the shares only."""
    return encode_address(draw_outline(_pixels, _mask))


def _say(share: float | None) -> str:
    if share is None:
        return "blank"
    return write_percent(share, 1 if share < 0.1 else 0)


def draw_outline(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A small picture with the edge of a mask in it, `(h, w, 3)` uint8."""
    height, width = mask.shape
    factor = min(1.0, 2 * SMALL / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    contours, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(small, contours, -1, _LINE, 2)
