"""The report of a stack: the surest slice's page, then the strip and the key slices, with one scale for each method."""

from collections.abc import Iterator
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pypdfium2
import pytest

from explain import Engine
from explain.engine.slices import SliceAnswer, follow_maps
from explain.errors import ExplainError
from explain.maps.figure import DISCLAIMER
from explain.maps.render import RenderSettings
from explain.report.one_page import panes
from explain.report.one_page.content import Page
from explain.report.one_page.html import write_html
from explain.report.one_page.pdf import write_pdf
from explain.report.one_page.stack import ExplainedStack, choose_key_slices, describe_stack_page
from explain.report.one_page.writing import encode_report
from explain.volumes.reading import read_volumes
from tests.explain.engine.test_slices import answer
from tests.support.dicom_files import SECRETS, find_secrets, make_series, ramp, write
from tests.support.engine import build_model

MISSING = 5


@pytest.fixture(scope="module", autouse=True)
def small_panes() -> Iterator[None]:
    with patch.object(panes, "LONGEST_SIDE", 100):
        yield


@pytest.fixture(scope="module")
def stack() -> ExplainedStack:
    """Eleven slices of a CT, the sixth of which is missing, and two maps of each of the others."""
    files = [write(one) for one in make_series(ramp(11, 24, 24), WindowCenter=3000, WindowWidth=6000)]
    volume = read_volumes([data for at, data in enumerate(files) if at != MISSING]).series[0].open()
    engine = Engine("cpu")
    loaded = engine.load(build_model("cnn"))
    answers = [*engine.explain_stack(volume, loaded, ["grad-cam", "eigen-cam"], target=1)]
    # As they come they are all as good as equally sure.
    sure = [replace(one, probability=share(one.index)) for one in answers]
    return ExplainedStack(loaded, volume, sure)


def share(index: int) -> float:
    return 0.9 - 0.08 * abs(index - 7)


@pytest.fixture(scope="module")
def page(stack: ExplainedStack) -> Page:
    return describe_stack_page(stack, RenderSettings())


def test_the_surest_slice_comes_first_and_the_series_after_it(page: Page, stack: ExplainedStack) -> None:
    assert page.name == "CT, 11 slices, no. 8" and page.command[0].endswith(
        ' --slice 8 --window "The file\'s window" --stack'
    )
    assert dict(page.picture)["Why this slice"].startswith("Of 10 slices it is the one on which the class is surest.")
    sheet = page.series
    assert sheet is not None and sheet.count == 11 and sheet.missing == (MISSING,) and sheet.columns == 3
    # None lies beside another: at least an eighth of eleven apart.
    assert sheet.keys == (2, 4, 7, 9)
    assert [pane.title for pane in sheet.panes[::3]] == [
        "Slice 3 · 50.0 %",
        "Slice 5 · 66.0 %",
        "Slice 8 · 90.0 %",
        "Slice 10 · 74.0 %",
    ]
    assert [pane.title for pane in sheet.panes[1:3]] == ["Grad-CAM", "Eigen-CAM"]
    probability, *methods = sheet.lanes
    assert probability.title == "Probability" and probability.heights == {
        at: share(at) for at in range(11) if at != MISSING
    }
    for lane, name in zip(methods, ("grad-cam", "eigen-cam"), strict=True):
        sums = {one.index: float(np.maximum(one.maps[name].values, 0).sum()) for one in stack.answers}
        assert lane.heights == pytest.approx({at: one / max(sums.values()) for at, one in sums.items()}, abs=1e-6)
    words = [said.sentence for said in sheet.said]
    assert words[0].startswith("All 10 slices are explained for one class,")
    assert any("likeliest on slice 8 (90.0 %), least so on slice 1 (34.0 %)" in one for one in words)
    assert words[-1] == "1 slice is not in the series."
    assert find_secrets(page.name, page.picture, sheet.title, sheet.said, sheet.legend, page.command) == []


def test_all_slices_have_one_scale(page: Page, stack: ExplainedStack) -> None:
    assert page.series is not None
    for column, name in ((1, "grad-cam"), (2, "eigen-cam")):
        course = follow_maps(stack.answers, name)
        assert course is not None
        bars = {pane.bar.labels for pane in page.series.panes[column::3] if pane.bar is not None}
        (labels,) = bars
        assert float(labels[2]) == pytest.approx(course.ends[1], rel=0.01)
        assert page.panes[column].bar is not None and page.panes[column].bar.labels == labels  # type: ignore[union-attr]


def test_both_files_say_it(page: Page) -> None:
    document = pypdfium2.PdfDocument(write_pdf([page]))
    first, second = (" ".join(one.get_textpage().get_text_range().split()) for one in document)
    html = write_html([page]).decode()
    assert page.series is not None and "Why this slice" in first
    for words in (second, html):
        assert DISCLAIMER in words and "The whole series: CT, 11 slices" in words and "Probability" in words
        assert all(said.sentence in words for said in page.series.said)
    drawn = html[html.index('<svg class="strip"') :].partition("</svg>")[0]
    assert 'role="img" aria-label="Bars for each of 11 slices: Probability, Grad-CAM, Eigen-CAM."' in drawn
    # A bar for each slice and lane, a grey place for the missing one, a line below each lane.
    assert drawn.count("<rect") == 3 * (10 + 1 + 1)


def test_it_is_written_as_any_other(stack: ExplainedStack) -> None:
    data = encode_report(stack, "html")
    assert not [secret for secret in SECRETS if secret.encode() in data] and b"The whole series" in data


def test_of_a_volume_that_was_seen_whole_the_strongest_cuts_are_shown() -> None:
    answers = [answer(at, np.full((2, 2), height)) for at, height in enumerate((0.1, 0.2, 0.9, 0.8, 0.1, 0.3))]
    course = follow_maps(answers, "grad-cam")
    assert course is not None
    assert choose_key_slices(answers, {"grad-cam": course}, 6, by_map=True) == [2, 3, 5, 1]
    assert choose_key_slices(answers, {"grad-cam": course}, 6, by_map=False) == [0, 1, 2, 3], "all are equally sure"
    assert choose_key_slices(answers[:1], {}, 6, by_map=True) == [0]


def test_nothing_answered_is_a_sentence(stack: ExplainedStack) -> None:
    with pytest.raises(ExplainError, match="nothing to report of “CT, 11 slices”: no slice was explained"):
        describe_stack_page(replace(stack, answers=()), RenderSettings())
    failed = SliceAnswer(4, 0, "cat", problem="It failed.")
    with pytest.raises(ExplainError, match=r"It failed\."):
        describe_stack_page(replace(stack, answers=[failed]), RenderSettings())
    bare = [replace(one, maps={}, unavailable={"cam": "It has no such head."}) for one in stack.answers]
    with pytest.raises(ExplainError, match="no such head"):
        describe_stack_page(replace(stack, answers=bare), RenderSettings())


def test_what_was_stopped_and_what_is_likelier_is_said(stack: ExplainedStack) -> None:
    part = [replace(one, predictions=one.predictions[::-1]) for one in stack.answers[:4]]
    sheet = describe_stack_page(replace(stack, answers=part), RenderSettings()).series
    assert sheet is not None
    words = [said.sentence for said in sheet.said]
    assert words[0].startswith("4 of 10 slices are explained for one class,")
    others = [one.predictions[0] for one in part if one.predictions[0].index != one.target]
    assert len([word for word in words if "another class is likelier" in word]) == bool(others)
