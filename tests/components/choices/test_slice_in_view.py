"""What is scrolled to and windowed on the canvas becomes the page's own, where there is such a slice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import streamlit as st

from components.browser.canvas.stack import AHEAD, count_ahead, describe_stack, read_place
from components.choices.series import Scans
from components.choices.slice_in_view import find_stacks, follow_place
from tests.components.choices.test_series import head
from tests.support.dicom_files import make_series, ramp, write


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> Scans:
    """A session with a CT of seven slices open, whose fourth is missing."""
    scans = Scans()
    scans.look_into(head())
    monkeypatch.setattr(st, "session_state", {"scans": scans})
    return scans


def report(scans: Scans, **said: Any) -> bool:
    assert scans.volume is not None
    place = {"volume": scans.volume.digest, "plane": "stack", "index": 1, "window": "Lung", "inverted": False, **said}
    st.session_state["canvas"] = {"places": [place]}
    return follow_place("canvas")


def test_what_is_in_view_becomes_the_pages(scans: Scans) -> None:
    assert report(scans) and (scans.find_index(), scans.window) == (1, "Lung")
    assert not report(scans)
    assert report(scans, window="12.5/80") and "own, centre 12.5, width 80" in scans.draw().notes[1]
    before = scans.draw().digest
    assert report(scans, window="12.5/80", inverted=True) and scans.draw().digest == before
    assert report(scans, plane="coronal", index=11) and scans.draw().name == "CT, 7 slices, coronal 12"


@pytest.mark.parametrize(
    "said",
    [
        {"volume": "other"},
        {"index": 7},
        {"index": -1},
        {"index": True},
        {"index": 1.5},
        {"plane": "oblique"},
        {"window": "none such"},
        {"window": "1/"},
        {"window": None},
    ],
)
def test_what_there_is_not_is_not_followed(scans: Scans, said: dict[str, Any]) -> None:
    assert not report(scans, **said) and scans.window is None and not scans.indices


def test_a_model_keeps_its_window_where_it_is_told_to(scans: Scans) -> None:
    scans.given = "Bone"
    assert report(scans)
    picture = scans.draw()
    scans.shown = picture.digest
    assert picture.section is not None and picture.section.window == "Bone"
    (stack,) = find_stacks([picture], "canvas").values()
    assert (stack.index, stack.window, stack.follows) == (1, "Lung", False) and "“Bone”" in stack.given


def test_only_the_open_series_is_a_stack(scans: Scans) -> None:
    picture = scans.draw()
    assert find_stacks([picture], "canvas") == {}
    scans.shown = picture.digest
    volume = picture.section.volume if picture.section is not None else ""
    st.session_state["canvas"] = {"near": {volume: {"volume": volume, "plane": "stack"}}}
    assert find_stacks([picture], "canvas")[picture.digest].near is None
    assert read_place("no place") is None


def test_of_large_slices_fewer_are_sent_ahead(scans: Scans) -> None:
    volume = scans.volume
    assert volume is not None and count_ahead(volume, "stack") == AHEAD
    large = replace(volume, stored=np.zeros((7, 512, 512), np.int16))
    assert count_ahead(large, "stack") == AHEAD, "of a CT, sixteen are 8 MB"
    assert count_ahead(replace(volume, stored=np.zeros((7, 1024, 1024), np.int32)), "stack") == 2
    assert count_ahead(replace(volume, stored=np.zeros((7, 1024, 1024, 3), np.uint8), geometry=None), "stack") == 2


def test_other_planes_are_sent_once_they_are_open(scans: Scans) -> None:
    picture = scans.draw()
    scans.shown = picture.digest
    assert scans.volume is not None

    def describe(cross: object) -> dict[str, Any]:
        assert scans.volume is not None
        st.session_state["canvas"] = {"planes": {scans.volume.digest: cross}}
        (stack,) = find_stacks([picture], "canvas").values()
        return describe_stack(stack, lambda pane: pane, "canvas/row")

    closed = describe(None)
    assert [one["plane"] for one in closed["planes"]] == ["axial", "coronal", "sagittal"] and closed["fault"] == ""
    assert closed["block"] is None and closed["crossing"] == {} and closed["missing"] == [3]
    assert closed["view"]["edges"] == {"top": "A", "right": "L", "bottom": "P", "left": "R"}
    opened = describe([2, 5, 9])
    assert opened["block"]["shape"] == [7, 20, 30]
    assert {plane: one["index"] for plane, one in opened["crossing"].items()} == {
        "axial": 2,
        "coronal": 5,
        "sagittal": 20,
    }
    assert describe([3, 5, 9])["crossing"].keys() == {"coronal", "sagittal"}  # the fourth slice is missing
    for nonsense in ([7, 0, 0], [1, 2], "0", [0, 0, 1.5], [True, 0, 0], [-1, 0, 0]):
        assert describe(nonsense)["block"] is None


def test_why_there_are_no_other_planes_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    scans = Scans()
    scans.look_into([write(ds) for ds in make_series(ramp(4), [(0, 0, z) for z in (0, 4, 11, 15)])])
    monkeypatch.setattr(st, "session_state", {"scans": scans})
    picture = scans.draw()
    scans.shown = picture.digest
    (stack,) = find_stacks([picture], "canvas").values()
    described = describe_stack(stack, lambda pane: pane, "canvas/row")
    assert described["planes"] == [] and "slices lie 4 and 7 mm apart" in described["fault"]
