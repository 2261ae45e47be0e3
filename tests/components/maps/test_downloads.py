"""What the buttons below the maps make: of what is shown once the page has heeded what it was told before."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from components.maps import downloads
from components.maps.downloads import Shown
from components.maps.rows import Loan
from explain.engine.explanation import Explanation, PictureExplanation, Prediction
from explain.faithfulness.verdict import Mark, Verdict
from explain.maps.heatmap import Heatmap
from explain.maps.render import RenderSettings
from explain.passes.count import Passes
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture
from explain.settings import Settings

PIXELS = np.zeros((8, 8, 3), dtype=np.uint8)


def explain(method: str) -> PictureExplanation:
    heatmap = Heatmap(method, Settings(), "layer4", 3, "cat", np.eye(2), Box.whole((8, 8)), 0.0, Passes())
    picture = Picture("cat.png", PIXELS, PIXELS, "d1")
    return PictureExplanation(picture, (Prediction(3, "cat", 0.7),), (), (3,), ("cat",), ("layer4",), (heatmap,), {})


def test_a_figure_asked_for_within_a_blink_of_a_change_shows_the_change(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(downloads, "encode_figure", lambda _maps, view, *_rest: drawn.append(view) or b"")
    model: Any = None
    maps = Explanation(model, (explain("grad-cam"),))
    shown = Shown()
    shown.finish(RenderSettings(), maps, {})
    pressed = threading.Thread(target=shown.draw_figure, args=(["grad-cam"], "png"))
    pressed.start()
    shown.begin()
    time.sleep(0.3)
    assert not drawn
    shown.finish(RenderSettings(colour_table="turbo"), maps, {})
    pressed.join(5)
    assert drawn == [RenderSettings(colour_table="turbo")]


def test_its_columns_are_what_has_a_map_also_of_another_model() -> None:
    model: Any = None
    shown = Shown()
    shown.finish(
        RenderSettings(),
        Explanation(model, (explain("grad-cam"),)),
        {"d1": Loan("photo-vit", explain("prompt-cam"))},
    )
    assert shown.list_columns() == ["picture", "grad-cam", "prompt-cam"]


def test_what_has_been_said_of_the_maps_by_then_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(downloads, "encode_figure", lambda *given: drawn.append(given) or b"")
    model: Any = None
    shown = Shown()
    shown.finish(
        RenderSettings(),
        Explanation(model, (explain("grad-cam"),)),
        {"d1": Loan("photo-vit", explain("prompt-cam"))},
    )
    assert shown.maps.verdicts == ({},)
    said = Verdict((Mark("undecided", "Nobody knows."),))
    found: dict[str, dict[str, Verdict]] = {}
    shown.find_verdicts = lambda: found
    found["d1"] = {"grad-cam/layer4/3": said, "prompt-cam/layer4/3": said}
    assert shown.maps.verdicts == ({"grad-cam/layer4/3": said},)
    shown.draw_figure(["grad-cam"], "png")
    ((_, entry),) = drawn[0][4].values()
    assert entry.verdicts == {"prompt-cam/layer4/3": said}
