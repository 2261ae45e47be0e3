"""A series on Compare: at a press all slices are explained, for the class of that in view; nothing of the patient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from components.choices.series import Scans
from tests.support.dicom_files import SECRETS, make_series, write


def make_scans() -> Scans:
    """A CT of seven slices whose fourth is missing."""
    numbers = np.random.default_rng(0).integers(0, 2000, (6, 40, 50)).astype(np.int16)
    places = [(0.0, 0.0, 5.0 * at) for at in (0, 1, 2, 4, 5, 6)]
    scans = Scans()
    assert scans.look_into([write(ds) for ds in make_series(numbers, places)]) == []
    return scans


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
    assert {"stack-csv", "stack-nifti", "download-report", "download-nifti", "download-dicom"} <= offered

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
    said = repr(dashboard.test._tree) + repr(dashboard.words)
    assert not [secret for secret in SECRETS if secret in said]

    dashboard.test.selectbox(key="window-widget").set_value("Lung").run()
    assert "stack-begin" in {button.key for button in dashboard.test.button}, "another window is another stack"
    assert not dashboard.test.exception
