"""What cards, the network and the curve say when they are pressed, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import components.browser.cards
import components.browser.knee
import components.browser.network
import components.choices.layer
from components.browser.cards import Card, cards
from components.browser.knee import knee
from components.browser.network import describe_blocks, network
from components.choices.layer import choose_layer
from explain.networks.layer import Layer

LAYERS = [Layer("stem", (32, 32), 16, "NCHW"), Layer("body", (8, 8), 64, "NCHW"), Layer("head", (1, 1), 64, "NCHW")]


class Browser:
    """Stands in for the browser: keeps what a component was given, and presses."""

    def __init__(self, state: dict[str, Any], trigger: str) -> None:
        self.state, self.trigger, self.data = state, trigger, {}
        self.answer: Callable[[], None] = lambda: None

    def mount(self, key: str, data: dict[str, Any], **callbacks: Callable[[], None]) -> None:
        self.key, self.data, self.answer = key, data, callbacks[f"on_{self.trigger}_change"]

    def press(self, value: Any) -> None:
        self.state[self.key] = {self.trigger: value}
        self.answer()


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    monkeypatch.setattr("streamlit.session_state", kept)
    return kept


def test_only_cards_that_are_there_can_be_pressed(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    browser, heard = Browser(state, "pressed"), []
    monkeypatch.setattr(components.browser.cards, "_mount", browser.mount)
    cards([Card("a", "A"), Card("b", "B")], "strip", "Maps", chosen="a", on_press=heard.append)
    for value in ("b", "c", None, 3, ["a"][0]):
        browser.press(value)
    assert heard == ["b", "a"]
    assert browser.data["pressable"] and browser.data["chosen"] == "a"
    cards([Card("a", "A")], "strip", "Maps")
    browser.press("a")
    assert heard == ["b", "a"]
    assert not browser.data["pressable"]


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


def test_the_line_gives_back_a_value_of_the_slider(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    browser, heard = Browser(state, "eps"), []
    monkeypatch.setattr(components.browser.knee, "_mount", browser.mount)
    steps = [(0.0, 0.1), (0.1, 0.2), (0.2, 0.4)]
    knee(np.linspace(0, 1, 5000, dtype=np.float32), steps, 0.1, 4, "knee", heard.append)
    assert browser.data["at"] == 1
    assert browser.data["channels"] == 5000
    assert len(browser.data["curve"]) == 400
    assert browser.data["curve"][0] == [0, 0.0]
    assert browser.data["curve"][-1] == [4999, 1.0]
    assert browser.data["heard"] == 0
    for number, value in enumerate((2, 0, 7, None, "1"), 1):
        browser.press({"at": value, "number": number})
    browser.press("nonsense")
    assert heard == [0.2, 0.0]
    state["knee"] = {"eps": {"at": 2, "number": 5}}
    knee(np.linspace(0, 1, 50, dtype=np.float32), steps, 0.1, 4, "knee", heard.append)
    assert browser.data["heard"] == 5, "so that the browser knows what has been answered"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_curve_of_few_channels_is_whole(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    browser = Browser(state, "eps")
    monkeypatch.setattr(components.browser.knee, "_mount", browser.mount)
    knee(np.arange(count, dtype=np.float32), [(0.0, 0.1)], 0.0, 2, "knee", lambda _: None)
    assert [place for place, _ in browser.data["curve"]] == list(range(count))
