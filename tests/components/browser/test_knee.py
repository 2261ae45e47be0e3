"""The curve of the clustering: what it is given, and what the line across it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import components.browser.knee
from components.browser.knee import knee
from tests.support.browser_part import Browser


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
