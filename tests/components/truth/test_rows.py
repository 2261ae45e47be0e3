"""A row a network, and how much of each map lies where the answer does."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from components.truth.rows import Network, build_truth_rows, describe_likeness, describe_share
from components.truth.specimen import Specimen
from explain.engine.explanation import PictureExplanation, Prediction
from explain.maps.heatmap import Heatmap
from explain.methods import get_method
from explain.passes.count import Passes
from explain.pictures.geometry import Box
from explain.pictures.picture import build_picture

SIZE = (40, 40)
REGION = np.zeros(SIZE, bool)
REGION[:10, :20] = True
PICTURE = build_picture("A cat", np.zeros((*SIZE, 3), np.uint8), "a" * 64, ())
TAG = Specimen(PICTURE, "cat", "the tag", REGION)


def heat(values: np.ndarray) -> Heatmap:
    settings = get_method("grad-cam").settings()
    whole = Box.whole(SIZE)
    return Heatmap("grad-cam", settings, "layer4", 1, "dog", values.astype(np.float32), whole, 0.0, Passes())


def test_a_share_stands_beside_chance() -> None:
    assert describe_share(heat(np.ones((4, 4))), TAG) == "12 % on the tag, by chance 12 %"
    on_it = np.zeros((40, 40))
    on_it[2, 3] = on_it[30, 30] = 1
    assert describe_share(heat(on_it), TAG) == "50 % on the tag, by chance 12 %"
    assert describe_share(heat(-np.ones((4, 4))), TAG) == "nothing of it on the tag"
    tint = replace(TAG, name="the tint", region=None)
    assert describe_share(heat(np.ones((4, 4))), tint) == "the tint lies everywhere"


def test_maps_before_and_after_are_compared_by_the_order_of_places() -> None:
    ramp = np.arange(16.0).reshape(4, 4)
    assert describe_likeness(heat(ramp), heat(ramp**3)).endswith(": 1.00.")
    assert describe_likeness(heat(ramp), heat(15 - ramp)).endswith(": -1.00.")
    assert "can be compared with none" in describe_likeness(heat(ramp), heat(np.zeros((4, 4))))


def test_each_network_has_a_row_with_the_same_picture() -> None:
    predictions = (Prediction(1, "dog", 0.7), Prediction(0, "cat", 0.2), Prediction(2, "owl", 0.1))
    entry = PictureExplanation(
        PICTURE, predictions, (), (1,), ("dog",), ("layer4",), (heat(np.ones((4, 4))),), {"eigen-cam": "It cannot."}
    )
    model: Any = SimpleNamespace(request=SimpleNamespace(name="shortcut-tag"))
    networks = [Network("relying", "Learnt it", model, "97 % right"), Network("honest", "Did not", model)]
    rows = build_truth_rows(TAG, [(network, entry) for network in networks], ["grad-cam", "eigen-cam"])
    assert [(row.key, row.label, row.digest) for row in rows] == [
        ("relying", "Learnt it", PICTURE.digest),
        ("honest", "Did not", PICTURE.digest),
    ]
    assert rows[0].detail == (
        "Explained: dog (70 %), the likeliest class · 97 % right · shortcut-tag · layer layer4, 4×4 cells"
    )
    picture, shown = rows[1].panes
    assert picture.sentence == "The truth: cat." and [choice.label for choice in picture.choices] == ["dog", "cat"]
    assert shown.sentence == "12 % on the tag, by chance 12 %."
    (outline,) = rows[0].outlines
    corners = np.concatenate([np.asarray(ring) for ring in outline.rings])
    assert outline.name == "" and corners.max(0) == pytest.approx([20, 10], abs=0.5)
    assert build_truth_rows(replace(TAG, region=None), [(networks[0], entry)], ["grad-cam"])[0].outlines == []
