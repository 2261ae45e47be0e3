"""The network as a diagram: its layers as blocks from the input to the answer, which can be pressed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    from explain.networks.layer import Layer

_LOWEST, _HIGHEST = 22, 104  # pixels of a block's height
_NARROWEST, _WIDEST = 12, 64  # pixels of its width

_FOLDER = Path(__file__).parent

_mount = st.components.v2.component(
    "camscope_network",
    js=(_FOLDER / "network.js").read_text(encoding="utf-8"),
    css=(_FOLDER / "network.css").read_text(encoding="utf-8"),
)


def network(
    layers: Sequence[Layer], chosen: str, source: str, answer: str, key: str, on_press: Callable[[str], None]
) -> None:
    """Draw the layers as blocks: the more cells the higher, the more channels the wider.

    Args:
        layers: from the input to the answer.
        chosen: name of the layer in use.
        source: what goes in, in words.
        answer: what comes out.
        key: the component's key on the page.
        on_press: called with the name of the layer that was pressed.
    """

    def read() -> None:
        pressed = st.session_state[key].get("pressed")
        if pressed in known:
            on_press(pressed)

    known = {layer.name for layer in layers}
    data = {"blocks": describe_blocks(layers), "chosen": chosen, "source": source, "answer": answer}
    _mount(key=key, data=data, on_pressed_change=read)


def describe_blocks(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Names and sizes of the blocks. Sides grow with the root of what they stand for, so that small ones are seen."""
    most_cells = max((layer.longest_side for layer in layers), default=1)
    most_channels = max((layer.channels for layer in layers), default=1)
    return [
        {
            "key": layer.name,
            "text": f"{layer.name} · {layer.describe_grid()} cells · {layer.channels} channels",
            "grid": layer.describe_grid(),
            "height": round(_LOWEST + (_HIGHEST - _LOWEST) * (layer.longest_side / most_cells) ** 0.5),
            "width": round(_NARROWEST + (_WIDEST - _NARROWEST) * (layer.channels / most_channels) ** 0.5),
        }
        for layer in layers
    ]
