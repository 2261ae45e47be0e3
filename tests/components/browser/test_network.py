"""The network's diagram: its blocks, and that a pressed one is the layer of every page."""

from __future__ import annotations

from typing import Any

import pytest

import components.browser.network
from components.browser.network import describe_blocks, network
from components.choices.layer import choose_layer
from explain.networks.layer import Layer
from tests.support.browser_part import Browser

LAYERS = [Layer("stem", (32, 32), 16, "NCHW"), Layer("body", (8, 8), 64, "NCHW"), Layer("head", (1, 1), 64, "NCHW")]


def test_a_block_that_is_pressed_is_the_layer_of_every_page(
    state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(state, "pressed")
    monkeypatch.setattr(components.browser.network, "_mount", browser.mount)
    network(LAYERS, "head", "Picture", "cat", "network", choose_layer)
    browser.press("body")
    assert state["layer"] == "body"
    browser.press("no such layer")
    assert state["layer"] == "body"


def test_blocks_grow_with_cells_and_channels() -> None:
    stem, body, head = describe_blocks(LAYERS)
    assert stem["height"] > body["height"] > head["height"] > 0
    assert 0 < stem["width"] < body["width"] == head["width"]
    assert body["text"] == "body · 8×8 cells · 64 channels"
    assert describe_blocks([]) == []
