"""A series on Compare: at a press all slices are explained, for the class of that in view; nothing of the patient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from components.choices.pictures import get_tray
from components.choices.series import Scans
from components.page import link
from explain.bundled.phantoms.draw import draw_phantom
from explain.bundled.phantoms.files import encode_nifti
from explain.bundled.phantoms.kinds import KINDS
from explain.engine.engine import Engine
from tests.explain.volumes.test_reading import pack
from tests.support.dicom_files import SECRETS, make_series, write


def make_files() -> list[bytes]:
    """A CT of seven slices whose fourth is missing."""
    numbers = np.random.default_rng(0).integers(0, 2000, (6, 40, 50)).astype(np.int16)
    places = [(0.0, 0.0, 5.0 * at) for at in (0, 1, 2, 4, 5, 6)]
    return [write(ds) for ds in make_series(numbers, places, WindowCenter=[40, 80], WindowWidth=[400, 90])]


def make_scans() -> Scans:
    scans = Scans()
    assert scans.look_into(make_files()) == []
    return scans


def gather(part: Any) -> bytes:
    """All bytes of a page, as the browser gets them."""
    children = getattr(part, "children", None)
    own = part.proto.SerializeToString() if hasattr(getattr(part, "proto", None), "SerializeToString") else b""
    return own + b"".join(gather(child) for child in (children or {}).values())


def find_told(dashboard: Any, *more: str) -> list[str]:
    """What a page and its address tell of the patient."""
    said = gather(dashboard.test._tree) + repr(dashboard.words).encode()
    return [secret for secret in (*SECRETS, *more) if secret.encode() in said]


def test_the_whole_series(open_dashboard: Callable[..., Any]) -> None:
    words = {"model": "photo-cnn", "method": ["grad-cam", "eigen-cam"]}
    dashboard = open_dashboard(words, state={"scans": make_scans()})
    assert [row["label"] for row in dashboard.rows] == ["CT, 7 slices, no. 3"]
    button = dashboard.test.button(key="stack-begin")
    assert button.label.startswith("Explain all 6 slices (about ")
    likeliest = next(one["label"] for one in dashboard.pane("picture")["choices"] if one["chosen"])
    button.click().run()
    assert dashboard.words["class"].endswith(f":{likeliest}"), "the class is fixed, and the link holds it"
    run = dashboard.test.session_state["stack-run"]
    run.since = 0.0
    dashboard.test.run()  # begins
    assert run.work is not None and run.work.wait(60) and not run.problem
    dashboard.test.run()
    assert f"One class for all slices: “{likeliest}”, the likeliest of slice 3." in dashboard.sentences
    shown = dashboard.component("strip")
    assert [lane["title"] for lane in shown["lanes"]] == [likeliest, "Grad-CAM", "Eigen-CAM"]
    assert (shown["count"], shown["at"], shown["missing"]) == (7, 2, [3])
    assert [value is None for value in shown["lanes"][0]["values"]] == [at == 3 for at in range(7)]
    assert shown["lanes"][0]["values"][2] == round(run.answers[2].probability, 4)
    offered = {button.key for button in dashboard.test.get("download_button")}
    assert {
        "stack-csv",
        "stack-report",
        "stack-nifti",
        "download-report",
        "download-nifti",
        "download-dicom",
    } <= offered

    # The browser gets the maps of slices that are explained, and one scale for all of them.
    told = dashboard.rows[0]["stack"]
    assert sorted(map(int, told["maps"])) == [0, 1, 4, 5, 6]
    values = [answer.maps["grad-cam"].values for answer in run.answers.values()]
    ends = (min(float(one.min()) for one in values), max(float(one.max()) for one in values))
    assert told["ends"]["grad-cam"] == list(ends)

    # The slice that is pressed on the strip is the picture, and what is known of it is shown.
    dashboard.test.session_state["scans"].indices["stack"] = 5
    dashboard.test.run()
    assert dashboard.rows[0]["label"] == "CT, 7 slices, no. 6" and dashboard.component("strip")["at"] == 5
    assert np.array_equal(dashboard.values("grad-cam"), run.answers[5].maps["grad-cam"].values)
    assert find_told(dashboard) == [] and b"CT, 7 slices" in gather(dashboard.test._tree)

    dashboard.test.selectbox(key="window-widget").set_value("Lung").run()
    assert "stack-begin" in {button.key for button in dashboard.test.button}, "another window is another stack"
    assert not dashboard.test.exception


def test_a_link_to_a_slice_is_good_for_the_same_files_however_they_come(open_dashboard: Callable[..., Any]) -> None:
    files = make_files()
    brain = [write(ds) for ds in make_series(np.ones((4, 30, 30), np.int16), Modality="MR", SeriesInstanceUID="1.2.3")]
    words = {"model": "photo-cnn", "method": "eigen-cam"}
    one = open_dashboard(words)
    one.upload(("Roe, Richard.zip", pack([*files, *brain])))
    one.test.selectbox(key="plane-widget").set_value("coronal").run()
    one.test.slider(key="slice-widget").set_value(30).run()
    one.test.selectbox(key="window-widget").set_value("The file's window 2").run()
    words_of_one = one.words
    assert {name: words_of_one[name] for name in ("picture", "plane", "slice", "window")} == {
        "picture": "slice",
        "plane": "coronal",
        "slice": "30",
        "window": "own:2",
    }
    assert len(words_of_one["series"]) == 64 and "Richard" not in repr(words_of_one)

    two = open_dashboard(words_of_one)
    assert (
        "shows a slice of a series that is not open here" in two.sentences
        and two.words == words_of_one
        and not two.rows
    )
    two.upload(("a.zip", pack([*brain, *files][::-1], "{}".format)))
    assert not two.test.exception and two.words == words_of_one
    assert (two.rows[0]["label"], two.rows[0]["name"]) == (one.rows[0]["label"], one.rows[0]["name"])
    assert two.pane("eigen-cam")["map"]["values"] == one.pane("eigen-cam")["map"]["values"]
    assert "not open here" not in two.sentences
    assert find_told(one, "Richard") == [] and b"coronal 30" in gather(one.test._tree)

    # Another series of the same files, and back to the link as history goes: it is opened again.
    two.test.selectbox(key="series-widget").set_value(1).run()
    assert two.rows[0]["label"] == "MR, 4 slices, no. 3" and two.words["series"] != words_of_one["series"]
    assert open_dashboard({**words, "series": "no digest", "slice": "0"}).sentences.count("makes no sense") == 1


def test_a_link_goes_on_where_its_series_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back and forth in the history, and scenes: the words are read while the series is at hand."""
    state: dict[str, Any] = {}
    monkeypatch.setattr("streamlit.session_state", state)
    scans = state["scans"] = make_scans()
    tray = get_tray()
    tray.put(scans.draw())
    scans.shown = tray.shown[0]
    pictures, series = link._Pictures(), link._Series()
    first = {**series.write(), **pictures.write()}
    assert first["picture"] == ["slice"] and first["slice"] == ["3"] and "plane" not in first
    scans.indices["stack"], scans.window = 5, "Lung"
    second = {**series.write(), **pictures.write()}
    assert (second["slice"], second["window"]) == (["6"], ["Lung"])
    for words, name in ((first, "no. 3"), (second, "no. 6")):
        assert series.read(words) == [] and pictures.read(words) == []
        assert scans.draw().name == f"CT, 7 slices, {name}" and tray.shown == [scans.shown] and scans.wanted is None
    assert series.read({}) == [] and pictures.read({}) == [] and scans.shown not in tray.shown
    assert series.write() == {}
    assert series.read({**first, "plane": ["oblique"]}) and series.read({**first, "slice": ["x"]})
    assert pictures.read({"picture": ["slice", "x"]}) == ["picture"]


def test_a_network_of_volumes_reads_the_series_whole(open_dashboard: Callable[..., Any]) -> None:
    """Its map is cut on the slice that is shown, on the scale of the whole; a picture gets a sentence."""
    phantom = draw_phantom(KINDS[3].name, 12)
    scans = Scans()
    assert scans.look_into([encode_nifti(phantom)]) == [] and scans.volume is not None
    words = {"model": "phantom-3d", "method": ["eigen-cam", "legrad"], "verdicts": "0"}
    dashboard = open_dashboard(words, state={"scans": scans})
    assert not dashboard.test.exception and len(dashboard.rows) == 1
    (whole,) = Engine(device="cpu").explain_volume(scans.volume, "phantom-3d", "eigen-cam").maps
    cut = whole.cut(scans.plane, scans.find_index())
    assert cut is not None and np.allclose(dashboard.values("eigen-cam"), cut.values, atol=1e-5)
    assert dashboard.rows[0]["stack"]["ends"]["eigen-cam"] == pytest.approx(whole.ends)
    assert "8×8×8 cells" in dashboard.sentences + repr(dashboard.rows[0])
    assert "The model sees the whole series at once" in dashboard.sentences
    assert "this model reads volumes" in dashboard.sentences

    alone = open_dashboard({"model": "phantom-3d", "method": "eigen-cam"})
    said = alone.sentences + repr(alone.rows)
    assert "This model reads whole volumes of 32×64×64 voxels, and a picture is one slice" in said
    # It stands in the list all the same, with what it needs and where that is found.
    assert "It reads whole volumes and no pictures" in said
    alone.test.button(key="example-series").click().run()
    if alone.test.session_state["scans"].volume is None:  # a slow machine reads it beside the page
        assert alone.test.session_state["scans-opening"].work.wait(60)
        alone.test.run()
    assert [row["label"] for row in alone.rows] == ["Scan, 32 slices, no. 17"]
