"""What the buttons below the maps make: of what is shown once the page has heeded what it was told before."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from components.browser.canvas import Drawn
from components.maps import downloads
from components.maps.downloads import Shown, Source
from components.maps.rows import GRID, Loan
from explain.engine.explanation import Explanation, PictureExplanation, Prediction
from explain.faithfulness.verdict import Mark, Verdict
from explain.maps.heatmap import Heatmap
from explain.maps.render import RenderSettings
from explain.passes.count import Passes
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture
from explain.report.one_page import writing
from explain.report.scans import writing as scans
from explain.settings import Settings
from explain.volumes.reading import read_volumes
from tests.support.dicom_files import make_series, ramp, write

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
    begun, blinked = threading.Event(), []
    # The blink lasts until the change has begun, and the wait until it has ended, however slow the machine is.
    monkeypatch.setattr(downloads, "time", SimpleNamespace(sleep=lambda blink: blinked.append((blink, begun.wait(60)))))
    monkeypatch.setattr(downloads, "_PATIENCE", 60)
    pressed = threading.Thread(target=shown.draw_figure, args=(["grad-cam"], "png"))
    pressed.start()
    shown.begin()
    begun.set()
    time.sleep(0.1)
    assert not drawn
    shown.finish(RenderSettings(colour_table="turbo"), maps, {})
    pressed.join(60)
    assert blinked == [(downloads._UNDER_WAY, True)] and downloads._UNDER_WAY > 0
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


def test_the_report_is_of_what_is_shown_with_the_outline_that_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(writing, "encode_report", lambda *given: asked.append(given) or b"%PDF")
    corners = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0))
    monkeypatch.setattr(downloads, "read_drawn", lambda key: Drawn("d1", corners) if key == GRID else None)
    shown, view, model = Shown(), RenderSettings(opacity=0.5), None
    verdict = Verdict((Mark("backed", "It is."),))
    shown.finish(view, Explanation(model, (explain("grad-cam"),)), {})  # type: ignore[arg-type]
    shown.find_verdicts = lambda: {"d1": {"grad-cam/layer4/3": verdict}}
    assert shown.write_report("pdf") == b"%PDF"
    ((maps, kind, drawn_as, names, regions),) = asked
    assert maps.verdicts == ({"grad-cam/layer4/3": verdict},) and (kind, drawn_as, names) == ("pdf", view, "shown")
    assert regions == {"d1": {"the outline": corners}}


@pytest.mark.parametrize("for_archive", [False, True])
def test_of_scans_those_whose_files_are_at_hand_are_zipped(monkeypatch: pytest.MonkeyPatch, for_archive: bool) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(scans, "export_scans", lambda *given: asked.append(given) or {"a.dcm": b"one", "b.dcm": b"two"})
    volume = read_volumes([write(one) for one in make_series(ramp())]).series[0].open()
    photo = explain("grad-cam")
    radiograph = replace(photo, picture=replace(photo.picture, source="d2", digest="d2", modality="DX"))
    slice_, model = replace(photo, picture=volume.slice(2)), None
    shown, source = Shown(), Source(volume, {"d2": b"file"})
    shown.finish(RenderSettings(), Explanation(model, (photo, radiograph, slice_)), {})  # type: ignore[arg-type]
    with zipfile.ZipFile(io.BytesIO(shown.write_scans("dicom", source, for_archive))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"a.dcm": b"one", "b.dcm": b"two"}
    ((given, kinds, originals, named, _),) = asked
    assert [one.picture for one in given.pictures] == [radiograph.picture, slice_.picture]
    assert kinds == ["dicom"] and named is for_archive
    assert originals[volume.digest](2)[128:132] == b"DICM" and originals["d2"](0) == b"file"
    assert [source.has(one, "nifti") for one in (photo, radiograph, slice_)] == [False, False, True]
    assert not Source(replace(volume, geometry=None), {}).has(slice_, "nifti")


def test_what_a_study_lacks_is_said_before_a_file_is_asked_for() -> None:
    volume = read_volumes([write(one) for one in make_series(ramp())]).series[0].open()
    slice_ = replace(explain("grad-cam"), picture=volume.slice(2))
    source = Source(volume, {})
    assert source.find_lack([slice_], for_archive=False) == ""
    assert "filed by: StudyInstanceUID" in source.find_lack([slice_], for_archive=True)
    assert source.find_lack([explain("grad-cam")], for_archive=True) == ""  # a photograph is of no study


def test_of_nothing_no_file_is_offered() -> None:
    def show() -> None:

        from components.maps.downloads import Shown, offer_downloads
        from explain.engine.explanation import Explanation
        from explain.maps.render import RenderSettings

        model: Any = None
        shown = Shown()
        shown.finish(RenderSettings(), Explanation(model, ()), {})
        offer_downloads(shown)

    page = AppTest.from_function(show).run()
    assert not page.exception and page.caption[0].value.startswith("There is nothing to report or download")
