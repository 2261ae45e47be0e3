"""Options of any method: several layers fused into one map, and averaging over changed views of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import streamlit as st

from explain.maps.fusion import Fusion
from explain.pictures.augmentation import Augmentation

if TYPE_CHECKING:
    from explain.networks.layer import Layer

FUSED, FUSION, AUGMENTATION = "fused-layers", "fusion", "augmentation"
"""Keys of the session's state: names of the further layers, how they are fused, and the views averaged over."""

FUSIONS: dict[Fusion, str] = {
    "product": "Product: what every layer finds",
    "geometric": "Geometric mean: the same, less dark",
    "rising": "Product, later layers count more",
    "mean": "Mean of the layers",
    "max": "Largest of the layers",
}
_AUGMENTATIONS: dict[Augmentation, str] = {
    "none": "The picture as it is",
    "flip": "It and its mirror image",
    "flip and contrast": "Both, at three contrasts",
}

_NOTE = "fused-note"


@dataclass(frozen=True)
class Combination:
    """What is combined into one map.

    Attributes:
        layers: names of further layers, to be fused with the first.
        fusion: how; `none` without further layers.
        augmentation: the views averaged over.
    """

    layers: tuple[str, ...] = ()
    fusion: Fusion = "none"
    augmentation: Augmentation = "none"


def pick_combination(layers: Sequence[Layer], first: str) -> Combination:
    """Offer to fuse further layers with the first and to average over views; folded away, as few need it.

    Args:
        layers: the model's layers.
        first: name of the layer already chosen.
    """
    others = {layer.name: layer for layer in layers if layer.name != first}
    wanted = st.session_state.get(FUSED, [])
    st.session_state[FUSED] = [name for name in wanted if name in others]
    unknown = [name for name in wanted if name not in others and name != first]
    if unknown:
        named = ", ".join(f"“{name}”" for name in unknown)
        st.session_state[_NOTE] = f"Not among this model's layers, so not fused: {named}."
    with st.expander("Combine layers and views", icon=":material/stacks:"):
        fused = st.multiselect(
            "Fuse with layers",
            [*others],
            format_func=lambda name: f"{name} · {others[name].describe_grid()}",
            key=FUSED,
            placeholder="None",
            on_change=lambda: st.session_state.pop(_NOTE, None),
            help="Each method's maps of these layers and of the layer above become one. A deep layer knows what, an "
            "early one where.",
        )
        fusion: Fusion = "none"
        if fused:
            fusion = st.selectbox("Fuse by", [*FUSIONS], format_func=FUSIONS.__getitem__, key=FUSION)
        augmentation = st.selectbox(
            "Average over",
            get_args(Augmentation),
            format_func=_AUGMENTATIONS.__getitem__,
            key=AUGMENTATION,
            persist_state="session",
            help="Test-time augmentation: what the maps of the changed views agree on is more of the picture and less "
            "of the network's noise. It takes as many passes as there are views.",
        )
    if _NOTE in st.session_state:
        st.caption(st.session_state[_NOTE])
    return Combination(tuple(fused), fusion, augmentation)
