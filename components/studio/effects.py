"""What happens without a region, on the page: which regions, and bars of what each does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
import streamlit as st

from components.browser.canvas import Outline, Pane, Row, read_drawn
from components.choices.view import pick_one
from components.studio.parts import outline_parts
from explain.faithfulness.holes import cut_grid
from explain.faithfulness.shapley import MOST_SHARED
from explain.methods import get_method
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture
from explain.pictures.region import Region, contains

if TYPE_CHECKING:
    from explain.faithfulness.effects import Change, Effects
    from explain.maps.heatmap import Heatmap
    from explain.models.loaded import LoadedModel

Source = Literal["drawn", "parts", "grid-2", "grid-3", "map"]
Reading = Literal["removal", "alone", "share"]
Corners = tuple[tuple[int, int], ...]

SOURCE, READING, DRAWN, CUT = "effects-source", "effects-reading", "effects-drawn", "effects-cut"
SOURCES: dict[Source, str] = {
    "drawn": "As drawn",
    "parts": "Its parts",
    "grid-2": "2 × 2",
    "grid-3": "3 × 3",
    "map": "Where a map is high",
}
READINGS: dict[Reading, str] = {"removal": "Removed", "alone": "Kept alone", "share": "Shapley share"}
CUTS = (20, 30, 40, 50, 60, 70, 80, 90)
FIRST_CUT = 50
CANVAS = "effects-canvas"

_SENTENCE = "Draw on it: Box and Lasso are above."
_SHOWN = "effects-shown"  # the regions shown last, with the digest of their picture
_TOLD = "effects-told"  # the region that the canvas told last: what was undone is not done again
_MOST_CORNERS = 24  # of a region drawn: a link holds it


@dataclass(frozen=True)
class Chosen:
    """The number that is shown, and of what.

    Attributes:
        reading: what is done to the regions.
        by_probability: the probability of the class, and not its score.
    """

    reading: Reading
    by_probability: bool


def pick_source(has_parts: bool) -> Source:
    """Offer how the picture is cut into regions.

    Args:
        has_parts: the picture's parts are known.
    """
    offered = {source: title for source, title in SOURCES.items() if source != "parts" or has_parts}
    return pick_one(
        "Take away",
        SOURCE,
        offered,
        "Boxes or lassos that you draw, up to 8; the parts of a drawn bird; the cells of a grid; or the place "
        "where a map is above a share of its highest value.",
    )


def pick_cut() -> float:
    """Offer from which share of its highest value on a map is high, 0…1."""
    if st.session_state.get(CUT) not in CUTS:
        st.session_state[CUT] = FIRST_CUT
    cut = st.select_slider("Above (% of its highest)", CUTS, key=CUT, persist_state="session", width=220)
    return int(cut) / 100


def pick_reading() -> Reading:
    """Offer what is shown of each region."""
    return pick_one(
        "What is shown",
        READING,
        READINGS,
        "Removed: how far the number falls without the region. Kept alone: how far it rises when of all regions "
        "only this one is shown. Shapley share: what it adds on average, whichever others are there; the shares sum to "
        "what all regions do together.",
    )


def follow_drawn(picture: Picture) -> dict[str, Region]:
    """The regions drawn on a picture by their names, with the one that was drawn since the last run."""
    regions: list[Corners] = st.session_state.get(DRAWN, [])
    shown = st.session_state.get(_SHOWN)
    if shown is not None and shown[0] != picture.digest and shown[1] == regions:  # else a link brought them
        regions = []
    drawn = read_drawn(CANVAS)
    told = None if drawn is None or drawn.digest != picture.digest else drawn.corners
    if told is not None and told != st.session_state.get(_TOLD) and len(regions) < MOST_SHARED:
        regions = [*regions, simplify(told)]
    st.session_state[_TOLD] = told
    st.session_state[DRAWN], st.session_state[_SHOWN] = regions, (picture.digest, regions)
    return {f"region {number}": corners for number, corners in enumerate(regions, start=1)}


def offer_way_back() -> None:
    """Buttons that take regions drawn back."""
    nothing = not st.session_state.get(DRAWN)
    st.button("Undo", key="effects-undo", on_click=_undo, icon=":material/undo:", disabled=nothing)
    st.button("Start again", key="effects-reset", on_click=_start_again, disabled=nothing)
    if len(st.session_state.get(DRAWN, ())) == MOST_SHARED:
        st.caption(f"{MOST_SHARED} regions are the most. Undo one to draw another.")


def _undo() -> None:
    st.session_state[DRAWN] = st.session_state[DRAWN][:-1]


def _start_again() -> None:
    st.session_state[DRAWN] = []


def simplify(corners: Sequence[tuple[float, float]]) -> Corners:
    """An outline of whole pixels with few corners, which lies as near to the one drawn as those allow."""
    drawn = np.array(corners, dtype=np.float32).reshape(-1, 1, 2)
    ring: np.ndarray = drawn
    reach = float(np.ptp(drawn, axis=0).max())
    tolerance = 0.0
    while len(ring) > _MOST_CORNERS:
        tolerance += 0.004 * reach
        ring = cv2.approxPolyDP(drawn, tolerance, True)
    return tuple((round(float(x)), round(float(y))) for x, y in ring[:, 0])


def list_cells(picture: Picture, box: Box, source: Source) -> dict[str, Region]:
    """The cells of a grid over what the model sees."""
    return {**cut_grid(picture.size, box, int(source.removeprefix("grid-")))}


def outline_regions(regions: Mapping[str, Region], size: tuple[int, int]) -> list[Outline]:
    """Outlines of regions, masks or corners, for the canvas."""
    masks = {
        name: region
        if isinstance(region, np.ndarray)
        else contains([(x, y) for x, y in region], np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5)  # type: ignore[misc]
        for name, region in regions.items()
    }
    return outline_parts(masks)


def build_region_row(
    picture: Picture, box: Box, regions: Mapping[str, Region], heatmap: Heatmap | None, drawing: bool
) -> Row:
    """The picture with its regions, on the map that they are cut from where there is one.

    Args:
        picture: the picture.
        box: the rectangle of it that the model sees.
        regions: by their names.
        heatmap: the map; None for the picture alone.
        drawing: regions are drawn here.
    """
    pane = Pane("picture", "Picture", _SENTENCE if drawing else "", alt=picture.name, box=box)
    if heatmap is not None:
        method = get_method(heatmap.method)
        pane = Pane("map", method.title, method.sentence, values=heatmap.values, box=box, alt=method.title)
    outlines, notes = outline_regions(regions, picture.size), []
    if heatmap is None and not box.covers(picture.size):
        outlines.append(Outline("", [box.clipped(picture.size).corners]))
        notes.append("What lies outside the frame the model did not see.")
    return Row(picture.digest, picture.name, picture.pixels, picture.digest, [pane], outlines=outlines, notes=notes)


def make_key(model: LoadedModel, target: int | None, picture: Picture, regions: Mapping[str, Region]) -> str:
    """Equal for the same question, and for no other."""
    digest = hashlib.sha256(f"{model.fingerprint} {target} {picture.digest}".encode())
    for name, region in regions.items():
        digest.update(name.encode() + np.ascontiguousarray(region).tobytes())
    return f"effects {digest.hexdigest()}"


def describe_numbers(effects: Effects, chosen: Chosen) -> str:
    """What bars, lines and dots are, in a sentence or two."""
    text = "Bars to the right speak for the class. The line is the range over four ways of filling the hole."
    if chosen.reading != "removal":
        return text
    places = {len(effect.score.places) for effect in effects.regions} - {0}
    dots = f" Dots: the same hole at {max(places)} other places." if places else ""
    return text + dots


def choose_change(effects: Effects, number: int, chosen: Chosen) -> Change:
    """What a region does to the number that is shown."""
    effect = effects.regions[number]
    return effect.probability if chosen.by_probability and effect.probability is not None else effect.score
