"""Scans of a session: which series is open, which slice is the picture, and what the sidebar offers of it."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from components.choices.pictures import Tray
from components.choices.series import Scans, are_series
from explain.errors import PictureError
from tests.explain.volumes.test_nifti import nifti, numbers
from tests.explain.volumes.test_reading import pack
from tests.support.dicom_files import find_secrets, make_series, make_slice, ramp, write


def head() -> list[bytes]:
    """A CT of seven slices whose fourth is missing."""
    files = make_series(
        ramp(6, 20, 30), [(0, 0, 5.0 * at) for at in (0, 1, 2, 4, 5, 6)], WindowCenter=40, WindowWidth=400
    )
    return [write(ds) for ds in files]


def brain() -> list[bytes]:
    return [write(ds) for ds in make_series(ramp(5, 20, 30), Modality="MR", SeriesInstanceUID="1.2.3")]


def test_which_files_are_looked_through() -> None:
    single = write(make_slice(ramp(1)[0]))
    assert are_series(head()) and are_series([pack(head())]) and are_series([nifti(numbers(4, 5, 6))])
    assert are_series([write(make_slice(ramp(3), NumberOfFrames=3))])
    assert not are_series([single]) and not are_series([]) and not are_series([b"text", single])


def test_the_largest_is_open_at_its_middle() -> None:
    scans = Scans()
    survey = make_series(ramp(1, 20, 30), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SeriesInstanceUID="1.9")
    alone = scans.look_into([*brain(), *head(), write(survey[0])])
    assert [one.name for one in scans.series] == ["CT, 7 slices", "MR, 5 slices"]
    assert [picture.name for picture in alone or []] == ["CT, survey image"]
    picture = scans.draw()
    assert picture.name == "CT, 7 slices, no. 3" and not find_secrets(picture, scans)  # the fourth is missing
    scans.indices["stack"] = 3
    with pytest.raises(PictureError, match="not in the series"):
        scans.draw()
    scans.plane = "coronal"
    assert scans.draw().name == "CT, 7 slices, coronal 11"
    scans.open(1)
    assert scans.draw().name == "MR, 5 slices, no. 3"


def test_what_is_no_series_is_left_to_others() -> None:
    scans = Scans()
    assert scans.look_into([head()[0], brain()[0]]) is None and not scans.series and not scans.problems
    assert scans.look_into([pack([head()[0]])]) is not None
    assert scans.look_into([pack([b"x"], "../{}".format)]) == [] and "points outside" in scans.problems[0]


def test_a_volume_too_large_for_memory_says_so_and_is_taken_for_no_picture() -> None:
    scans = Scans()
    assert scans.look_into([nifti(numbers(2, 2, 2), dims=[3, 4000, 4000, 4000, 1, 1, 1, 1])]) == []
    assert "4,000 × 4,000 × 4,000 voxels is too large" in scans.problems[0]


def test_a_reader_that_breaks_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("internals")

    monkeypatch.setattr("explain.volumes.reading.read_volumes", fail)
    scans = Scans()
    assert scans.look_into(head()) == [] and "could not be read" in scans.problems[0]
    assert "internals" not in scans.problems[0]


def test_a_slice_takes_the_place_of_the_one_before() -> None:
    scans, tray = Scans(), Tray()
    scans.look_into(head())
    first = scans.draw()
    tray.put(first)
    assert tray.shown == [first.digest] and tray.give(first.digest, "hidden").name == "CT, 7 slices, no. 3"
    other = Scans()
    other.look_into(brain())
    tray.put(other.draw(), show=False)
    assert tray.shown == [first.digest]
    scans.indices["stack"] = 0
    second = scans.draw()
    tray.put(second, first.digest)
    assert list(tray.own) == [second.digest, other.draw().digest] and tray.shown == [second.digest]
    assert set(tray.thumbnails) == set(tray.own)


def _page() -> None:
    import streamlit as st

    from components.choices.series import get_scans, pick_slice
    from tests.components.choices.test_series import brain, head

    if "scans" not in st.session_state:
        get_scans().look_into([*head(), *brain()])
    pick_slice()


def test_what_the_sidebar_offers() -> None:
    app = AppTest.from_function(_page).run()
    assert [box.label for box in app.selectbox] == ["Series", "Plane", "Window"]
    assert app.selectbox[0].options == ["1 · CT · 7 × 20 × 30", "2 · MR · 5 × 20 × 30"]
    assert app.selectbox[1].options == ["As scanned", "Axial", "Coronal", "Sagittal"]
    assert app.caption[0].value == "Left edge R, right L, top A, bottom P."
    assert (app.slider[0].value, app.slider[0].max) == (3, 7)
    app.slider[0].set_value(6).run()
    assert app.session_state["scans"].draw().name == "CT, 7 slices, no. 6"
    app.selectbox[1].set_value("coronal").run()
    assert (app.slider[0].value, app.slider[0].max) == (11, 20) and "top H" in app.caption[0].value
    app.selectbox[2].set_value("Lung").run()
    assert "Window: Lung" in app.session_state["scans"].draw().notes[1]
    app.selectbox[0].set_value(1).run()
    assert app.session_state["scans"].asked == 1 and not app.exception


def test_a_volume_of_a_file_is_shown_the_right_way_up() -> None:
    scans = Scans()
    lying = np.array([[0.0, 0, 2, 0], [-2, 0, 0, 0], [0, 2, 0, 0]])  # its rows go up, its columns to the back
    scans.look_into([nifti(numbers(4, 5, 6), rows=lying, codes=(0, 1))])
    assert scans.series[0].shape == (5, 6, 4) and scans.draw().name == "Volume, 5 slices, axial 3"
    assert scans.volume is not None and scans.volume.name_edges(scans.plane) == ("A", "L", "P", "R")
