"""What cards say when they are pressed, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

import components.browser.cards
from components.browser.cards import Card, Cells, Frame, cards
from tests.support.browser_part import Browser


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


def test_only_cells_that_are_there_can_be_chosen(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    browser, heard = Browser(state, "cell"), []
    monkeypatch.setattr(components.browser.cards, "_mount", browser.mount)
    frame = Frame("data:", "A map", cells=Cells(2, 3, (0.0, 0.0, 1.0, 1.0), (0, 1)))
    cards([Card("a", "A", frames=[frame])], "map", "Map", on_cell=lambda row, column: heard.append((row, column)))
    for value in ([1, 2], [2, 0], [0, 3], [-1, 0], [0, 0, 0], "01", None, [0.5, 1], [0, 0]):
        browser.press(value)
    assert heard == [(1, 2), (0, 0)]
    assert browser.data["items"][0]["frames"][0]["cells"]["chosen"] == (0, 1)
