"""The layer to explain: the model's best, or any other that can be laid on the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from components.choices.dropdown import dropdown

if TYPE_CHECKING:
    from explain.networks.layer import Layer

AUTO = "auto"

LAYER = "layer"
"""Key of the session's state: name of the layer to explain, or `AUTO`."""

_NOTE = "layer-note"


def pick_layer(layers: Sequence[Layer], default: Layer | None, model: str) -> str:
    """Offer the layers from the input to the answer; gives back a name, or `auto` for the model's default.

    A layer that this model does not have is given up with a word.
    """
    names = [layer.name for layer in layers]
    chosen = st.session_state.get(LAYER, AUTO)
    if chosen != AUTO and chosen not in names:
        said = f"{model} has no layer “{chosen}”: its best layer is explained instead."
        st.session_state[_NOTE] = (model, said)
        chosen = st.session_state[LAYER] = AUTO
    described = {layer.name: _describe(layer, place, len(layers)) for place, layer in enumerate(layers, 1)}
    described[AUTO] = f"Best: {default.name} · {_grid(default)}" if default is not None else "Best"
    dropdown(
        "Layer",
        [AUTO, *names],
        chosen,
        "layer-widget",
        choose_layer,
        format_func=described.__getitem__,
        help="Where in the network to look, from the input to the answer. Late layers know what a thing is, early ones "
        "where its edges are. “Best” is the last layer that still tells places apart.",
    )
    about, said = st.session_state.get(_NOTE, ("", ""))
    if about == model:  # of another one it is no news any more
        st.caption(said)
    return chosen


def choose_layer(name: str) -> None:
    """Make this layer the one to explain from the next run on."""
    st.session_state.pop(_NOTE, None)
    st.session_state[LAYER] = name


def _describe(layer: Layer, place: int, count: int) -> str:
    return f"{place}/{count} · {layer.name} · {_grid(layer)}"


def _grid(layer: Layer) -> str:
    return f"{layer.describe_grid()} cells"
