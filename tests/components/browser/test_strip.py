"""The strip of a stack: what it is given, and what a slice that is pressed says."""

from __future__ import annotations

from typing import Any

import pytest

import components.browser.strip
from components.browser.strip import Lane, Strip, strip
from tests.support.browser_part import Browser


def test_what_the_browser_gets_and_says(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    browser, heard = Browser(state, "slice"), []
    monkeypatch.setattr(components.browser.strip, "_mount", browser.mount)
    lanes = [
        Lane("cat", {0: 0.123456, 2: 1.0}, {0: "12 %", 2: "100 %"}, [(0.0, "0 %"), (1.0, "100 %")]),
        Lane("Grad-CAM", {0: 0.5}, {0: "50 %"}, blank={2, 0}, faint=[1]),
    ]
    strip(Strip(4, 2, lanes, [3], {1: "It failed."}), "strip", heard.append)
    first, second = browser.data["lanes"]
    assert first["values"] == [0.1235, None, 1.0, None] and first["said"] == ["12 %", None, "100 %", None]
    assert first["line"] and not second["line"] and (second["blank"], second["faint"]) == ([0, 2], [1])
    assert (browser.data["count"], browser.data["at"], browser.data["missing"]) == (4, 2, [3])
    assert browser.data["problems"] == {"1": "It failed."} and browser.data["heard"] == 0
    for number, value in enumerate((1, 3, 7, -1, None, "2", 0), 1):  # missing, beyond the ends, no number
        browser.press({"at": value, "number": number})
    browser.press("nonsense")
    assert heard == [1, 0]
    state["strip"] = {"slice": {"at": 1, "number": 5}}
    strip(Strip(4, 1, lanes), "strip", heard.append)
    assert browser.data["heard"] == 5, "so that the browser knows what has been answered"
