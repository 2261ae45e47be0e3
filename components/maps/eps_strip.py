"""What each eps would give: CF-CAM's map at the values marked below its slider, each to be chosen by pressing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from components.browser.cards import Card, cards
from components.choices.methods import name_settings
from components.maps.frames import SMALL, Ground, draw_frame, prepare_ground
from components.words import escape
from explain.errors import ExplainError
from explain.maps.heatmap import Heatmap
from explain.methods.cf_cam.settings import CfCamSettings
from explain.percent import write_percent
from explain.pictures.picture import Picture
from explain.settings import Settings, list_values

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from components.maps.question import Question
    from explain.engine.engine import Engine

METHOD = "cf-cam"


def list_eps() -> list[float]:
    """Values over the whole range of eps: those that are marked below its slider."""
    return list_values(CfCamSettings.model_json_schema()["properties"]["eps"], marked=True)


class EpsStrip:
    """The strip of the first picture, on demand: its room stands below the slider, and is filled once there are maps,
    when it needs no pass of the network.
    """

    def __init__(self) -> None:
        self._room: DeltaGenerator | None = None

    def make_room(self) -> None:
        """Where the strip will stand."""
        self._room = st.container(key="eps-strip-room")

    def fill(self, engine: Engine, question: Question, settings: Mapping[str, Settings]) -> None:
        """Put a switch into the room, and the strip where that is on. Where columns are not methods, several layers,
        classes or models would each have one: there is none.
        """
        if self._room is None or question.comparison.by != "methods":
            return
        with self._room:
            if not st.toggle("What would each eps give?", key="eps-strip-on"):
                return
            own = settings[METHOD]
            assert isinstance(own, CfCamSettings)
            try:
                maps = {eps: _draw(engine, question, own.model_copy(update={"eps": eps})) for eps in list_eps()}
            except ExplainError as error:
                st.caption(escape(str(error)))
                return
            drawn = {eps: heatmap for eps, heatmap in maps.items() if heatmap is not None}
            show_eps_strip(drawn, question.pictures[0], own, choose_eps)


def _draw(engine: Engine, question: Question, settings: CfCamSettings) -> Heatmap | None:
    """CF-CAM's map of the first picture; None where there is none."""
    target = "auto" if question.target is None else question.target
    asked = {METHOD: settings}
    explanation = engine.explain(
        question.pictures[0], question.model, [METHOD], question.layer, target, asked, question.score
    )
    return next(iter(explanation.pictures[0].maps), None)


def show_eps_strip(
    maps: Mapping[float, Heatmap], picture: Picture, settings: CfCamSettings, on_eps: Callable[[float], None]
) -> None:
    """The maps, with the one of the eps in use marked; pressing one chooses its eps.

    Args:
        maps: CF-CAM's, by eps.
        picture: that they are of.
        settings: those in use.
        on_eps: called with the value that was chosen.
    """
    cards(
        build_eps_cards(maps, prepare_ground(picture, SMALL)),
        "eps-strip",
        "Maps over the range of eps",
        width=112,
        chosen=next((str(eps) for eps in maps if np.isclose(eps, settings.eps)), None),
        on_press=lambda key: on_eps(float(key)),
    )


def build_eps_cards(maps: Mapping[float, Heatmap], ground: Ground) -> list[Card]:
    """A card for each eps: the map it gives, and how the channels fall into groups.

    Args:
        maps: CF-CAM's, by eps.
        ground: the picture.
    """
    items = []
    for eps, heatmap in maps.items():
        frame = draw_frame(ground, heatmap.values, heatmap.box, f"CF-CAM for “{heatmap.label}” with eps {eps:g}")
        sizes = heatmap.details["cluster_sizes"]
        noise = f"{write_percent(heatmap.details['noise_share'])} noise"
        lines = [f"{len(sizes)} cluster{'s' if len(sizes) != 1 else ''}, {noise}"]
        items.append(Card(str(eps), f"eps {eps:g}", lines, [frame]))
    return items


def choose_eps(eps: float) -> None:
    """Set the slider of eps. It is called back, before the slider is put on the page again."""
    st.session_state[f"{name_settings(METHOD)}.eps"] = eps
