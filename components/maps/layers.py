"""The maps of all layers, and the channels behind one cell of them, as cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from components.browser.cards import Card, cards
from components.browser.network import network
from components.choices.layer import choose_layer
from components.maps.frames import Ground, describe_range, draw_frame
from components.maps.wanted import choose_channel
from components.words import escape, format_answer
from explain.engine.explanation import PictureExplanation
from explain.maps.channels import Channel, Ranking
from explain.maps.heatmap import Heatmap
from explain.maps.render import format_number
from explain.methods import Method, get_method
from explain.methods.formula import Cell
from explain.models.loaded import LoadedModel
from explain.networks.layer import Layer
from explain.percent import write_percent
from explain.pictures.geometry import Box

SIGNED = "layers-signed"
"""Key of the session's state: whether the maps of the layers also show what speaks against the class."""

CELL = "layers-cell"
"""Key of the session's state: where the map is taken apart, from 0 to 1 from its top and left; None for its highest
cell. A share, so that the place stays where it is at a layer of more cells.
"""

MOST_CHANNELS = 24


def pick_signed() -> bool:
    """Offer to show what speaks against the class too."""
    return st.toggle(
        "Signed",
        key=SIGNED,
        persist_state="session",
        help="Show what speaks against the class too (blue), instead of cutting the maps off at zero.",
    )


def show_network(model: LoadedModel, layer: str, entry: PictureExplanation) -> None:
    """The network as a diagram, from the picture to the answer that is explained.

    Args:
        model: whose layers.
        layer: name of the one in use.
        entry: what the engine answered.
    """
    height, width = model.preprocessing.input_size
    answer = next((format_answer(p) for p in entry.predictions if p.index == entry.targets[0]), "")
    said = f"{entry.labels[0]} {answer}".rstrip().replace(" %", "\N{NO-BREAK SPACE}%")
    network(model.layers, layer, f"Picture {width}×{height}", said, key="network", on_press=choose_layer)


def build_layer_cards(layers: Sequence[Layer], maps: Mapping[str, Heatmap], ground: Ground, signed: bool) -> list[Card]:
    """A card for each layer, with its map where there is one.

    Args:
        layers: from the input to the answer.
        maps: one method's, by the layer's name.
        ground: the picture.
        signed: also show what is below zero.
    """
    items = []
    for layer in layers:
        grid = f"{layer.describe_grid()} cells"
        heatmap = maps.get(layer.name)
        if heatmap is None:
            items.append(Card(layer.name, layer.name, (grid, "No map of this layer.")))
            continue
        alt = f"{get_method(heatmap.method).title} for “{heatmap.label}” at {layer.name}"
        frame = draw_frame(ground, heatmap.values, heatmap.box, alt, signed=signed)
        lines = [grid, describe_range(heatmap.values), *(["Blank"] if heatmap.blank else [])]
        items.append(Card(layer.name, layer.name, lines, [frame]))
    return items


def find_cell(values: np.ndarray) -> tuple[int, int]:
    """The cell of a map that is taken apart: the chosen one, or the highest; of a blank map the furthest from zero."""
    chosen = st.session_state.get(CELL)
    rows, columns = values.shape
    if chosen is not None:
        return min(int(chosen[0] * rows), rows - 1), min(int(chosen[1] * columns), columns - 1)
    row, column = np.unravel_index(int((values if (values > 0).any() else np.abs(values)).argmax()), values.shape)
    return int(row), int(column)


def choose_cell(row: int, column: int, shape: tuple[int, ...]) -> None:
    """Take a map of that shape apart at this cell from the next run on."""
    rows, columns = shape
    st.session_state[CELL] = (round((row + 0.5) / rows, 4), round((column + 0.5) / columns, 4))


def offer_highest_cell() -> None:
    """What can be done about the cell: choose another, or go back to the highest."""
    if st.session_state.get(CELL) is None:
        st.caption("Press any cell of the map to take its value apart.")
        return
    st.button(
        "Back to the highest cell",
        key="highest-cell",
        on_click=st.session_state.pop,
        args=(CELL, None),
        icon=":material/my_location:",
        type="tertiary",
    )


def pick_channel_count(layer: Layer) -> int:
    """Offer how many channels of a layer are shown on either side."""
    most = min(MOST_CHANNELS, layer.channels)
    count = min(6, most)
    if most > 4:
        # Of each layer its own, as the bounds are.
        count = st.slider("How many of each", 2, most, count, key=f"channels-{most}", width=245)
    return count


def name_sides(method: Method, label: str) -> tuple[str, str]:
    """What it means that a channel adds to a method's map, and that it takes from it."""
    if method.class_agnostic:
        return "With the pattern", "Against the pattern"
    sides = (f"For “{label}”", f"Against “{label}”")
    return (sides[1], sides[0]) if method.against else sides


def describe_channels(ranking: Ranking, method: Method, place: Cell) -> str:
    """By what the channels are ranked, and how they are drawn."""
    filtered = " before the filter" if method.formula is not None and method.formula.steps is not None else ""
    raise_, lower = ranking.counts
    return (
        f"By what each adds to {method.title} at row {place[0] + 1}, column {place[1] + 1}{filtered}: weight times "
        f"activation there. Of {ranking.count} channels {raise_} add something and {lower} take something away. "
        "Orange: the channel responds; blue: it is below zero. Press one to see below what it wants."
    )


@dataclass(frozen=True, eq=False)
class Footing:
    """What channels are drawn on.

    Attributes:
        layer: their layer's name.
        ground: the picture.
        box: where the layer lies on it, in the pixels of the picture's own size.
    """

    layer: str
    ground: Ground
    box: Box


def show_channels(ranking: Ranking, method: Method, label: str, cell: Cell, footing: Footing) -> None:
    """The channels on either side, each as a card: where it responds, and what it does at the cell.

    Args:
        ranking: the channels.
        method: by whose weights.
        label: name of the class.
        cell: where.
        footing: what they are drawn on.
    """
    st.caption(describe_channels(ranking, method, cell))
    sides = name_sides(method, label)
    for side, channels, key in zip(sides, (ranking.raising, ranking.lowering), ("raising", "lowering"), strict=True):
        st.markdown(f"**{escape(side)}**")
        if not channels:
            st.caption("None at this cell.")
            continue
        items = [_build_channel_card(channel, ranking.strength, footing) for channel in channels]
        cards(items, f"channels-{key}", side, width=112, on_press=choose_channel)


def _build_channel_card(channel: Channel, strength: float, footing: Footing) -> Card:
    share = abs(channel.product) / strength if strength else 0.0
    lines = [
        f"Weight {format_number(channel.weight)}",
        f"Activation {format_number(channel.weighed)}",
        f"Adds {format_number(channel.product)} · {write_percent(share)}",
    ]
    alt = f"Channel {channel.index} of {footing.layer}"
    frame = draw_frame(footing.ground, channel.values, footing.box, alt, signed=True)
    return Card(str(channel.index), f"Channel {channel.index}", lines, [frame])
