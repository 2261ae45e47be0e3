"""The maps of all layers, and the channels behind one of them, as cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from components.browser.cards import Card
from components.maps.frames import Ground, describe_range, draw_frame
from explain.maps.channels import Ranking
from explain.maps.heatmap import Heatmap
from explain.maps.render import format_number
from explain.methods import get_method
from explain.networks.layer import Layer
from explain.pictures.geometry import Box

SIGNED = "layers-signed"
"""Key of the session's state: whether the maps of the layers also show what speaks against the class."""

MOST_CHANNELS = 48


def pick_signed() -> bool:
    """Offer to show what speaks against the class too."""
    return st.toggle(
        "Signed",
        key=SIGNED,
        persist_state="session",
        help="Show what speaks against the class too (blue), instead of cutting the maps off at zero.",
    )


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


def pick_channel_count(layer: Layer) -> int:
    """Offer how many channels of a layer are shown."""
    most = min(MOST_CHANNELS, layer.channels)
    count = min(12, most)
    if most > 4:
        # Of each layer its own, as the bounds are.
        count = st.slider("How many", 4, most, count, key=f"channels-{most}", width=245)
    return count


def describe_channels(ranking: Ranking, label: str) -> str:
    """By what the channels are ranked, and how they are drawn."""
    return (
        f"Of {ranking.count} channels, those that do most for or against “{label}”: mean gradient times mean "
        f"activation, which is what a channel adds to the mean of the Grad-CAM map ({format_number(ranking.total)}). "
        "Orange: the channel responds; blue: it is below zero."
    )


def build_channel_cards(ranking: Ranking, layer: str, ground: Ground, box: Box) -> list[Card]:
    """A card for each channel: where it responds, and what it does for the class.

    Args:
        ranking: the channels.
        layer: the layer's name.
        ground: the picture.
        box: where the layer lies on it, in the pixels of the picture's own size.
    """
    items = []
    for channel in ranking.channels:
        share = abs(channel.contribution) / ranking.strength if ranking.strength else 0.0
        lines = [
            f"Weight {format_number(channel.gradient)}",
            f"Activation {format_number(channel.activation)}",
            f"Adds {format_number(channel.contribution)} · {share:.0%}",
        ]
        frame = draw_frame(ground, channel.values, box, f"Channel {channel.index} of {layer}", signed=True)
        items.append(Card(str(channel.index), f"Channel {channel.index}", lines, [frame]))
    return items
