"""An answer to a slice of a scan, whose files name a patient, and to a picture whose file does."""

from collections.abc import Mapping
from dataclasses import replace
from unittest.mock import patch

import pytest

from explain import Engine
from explain.engine.explanation import Explanation
from explain.faithfulness.unlike import Unlikeness
from explain.faithfulness.verdict import Mark, Verdict
from explain.maps.render import RenderSettings
from explain.report.comparison import find_ranges
from explain.report.one_page import panes
from explain.report.one_page.content import Page, describe_page
from explain.report.one_page.panes import Regions
from explain.volumes.reading import read_volumes
from tests.support.dicom_files import make_series, ramp, write
from tests.support.engine import build_model, make_picture

SIDE = 100
"""Pixels of a pane's longer side in these tests."""

BACKED = Mark("backed", "Hiding what is marked lowers “dog” more than hiding as much elsewhere does.", "hiding")


@pytest.fixture(scope="session")
def scan() -> Explanation:
    """A sagittal slice of a CT, two maps, of which one is backed."""
    series = make_series(ramp(8, 40, 48), WindowCenter=7000, WindowWidth=15000)
    volume = read_volumes([write(one) for one in series]).series[0].open()
    answer = Engine("cpu").explain(volume.slice(20, "sagittal"), build_model("cnn"), ["grad-cam", "eigen-cam"])
    entry = answer.pictures[0]
    verdicts = {entry.maps[0].key: Verdict((BACKED,), ("whether it is steady",)), entry.maps[1].key: Verdict((BACKED,))}
    return replace(answer, pictures=(replace(entry, verdicts=verdicts, unlike=Unlikeness(None)),))


@pytest.fixture(scope="session")
def photo() -> Explanation:
    """A picture, two layers and two classes: eight maps."""
    model = build_model("cnn")
    layers = [layer.name for layer in model.layers[-2:]]
    picture = make_picture(0, "DOE_JOHN_1960.png", (40, 50))
    return Engine("cpu").explain(picture, model, ["grad-cam", "eigen-cam", "prompt-cam"], layers, [0, 1])


def describe(answer: Explanation, regions: Regions | None = None, view: Mapping[str, object] | None = None) -> Page:
    """The page of an answer's first picture."""
    settings = RenderSettings.model_validate(view or {})
    with patch.object(panes, "LONGEST_SIDE", SIDE):  # what is drawn larger takes longer and says the same
        return describe_page(answer, answer.pictures[0], find_ranges(answer.pictures, settings)[0], settings, regions)


@pytest.fixture(scope="session")
def scan_page(scan: Explanation) -> Page:
    """Of the slice."""
    return describe(scan)


@pytest.fixture(scope="session")
def photo_page(photo: Explanation) -> Page:
    """Of the picture, with a region."""
    return describe(photo, {"<b>box</b>": (0, 0, 20, 20)})
