"""The report as a file: its ending, its names, what it refuses; and none of the patient's in any byte of it."""

import re
import zlib
from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest

from explain import save_report
from explain.engine.explanation import Explanation
from explain.errors import ExplainError
from explain.maps.render import RenderSettings
from explain.report.comparison import find_ranges
from explain.report.one_page import writing
from explain.report.one_page.writing import OnePageReport, encode_report, read_report_path
from tests.support.dicom_files import SECRETS


@pytest.mark.parametrize("kind", ["html", "pdf"])
def test_no_byte_names_the_patient(scan: Explanation, photo: Explanation, tmp_path: Path, kind: str) -> None:
    patient = replace(photo.pictures[0], picture=replace(photo.pictures[0].picture, modality="CT"))
    for answer in (scan, keep_one_map(replace(photo, pictures=(patient,)))):
        data = save_report(answer, tmp_path / f"report.{kind}").read_bytes()
        opened = [data]
        if kind == "pdf":  # packed, and some of its letters are numbers of its fonts' own
            opened += map(unpack, re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL))
            opened += [page.get_textpage().get_text_range().encode() for page in pypdfium2.PdfDocument(data)]
        assert any(b"Not for diagnostic use" in part for part in opened)
        for secret in (*SECRETS, "DOE_JOHN", str(tmp_path)):
            found = [part for part in opened if secret.encode() in part or secret.encode("utf-16-be") in part]
            assert not found, secret


def unpack(stream: bytes) -> bytes:
    """A stream of a PDF as it was before it was packed."""
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


def test_a_name_that_may_be_shown_stands_on_it(photo: Explanation) -> None:
    one = keep_one_map(photo)
    assert b"DOE_JOHN_1960.png" in encode_report(one, "html")
    assert b"DOE_JOHN" not in encode_report(one, "html", names="hidden")


def keep_one_map(answer: Explanation) -> Explanation:
    """The answer with the first map alone."""
    return replace(answer, pictures=tuple(replace(entry, maps=entry.maps[:1]) for entry in answer.pictures))


def test_the_ending_says_what_it_is(photo: Explanation, tmp_path: Path) -> None:
    assert save_report(keep_one_map(photo), tmp_path / "new" / "a.PDF").read_bytes().startswith(b"%PDF")
    with pytest.raises(ExplainError, match="ends in neither"):
        read_report_path("report.docx")


def test_a_report_of_nothing_is_a_sentence(photo: Explanation) -> None:
    with pytest.raises(ExplainError, match="nothing to report: no picture was explained"):
        encode_report(replace(photo, pictures=()), "pdf")


def test_more_pictures_than_pages_are_counted(photo: Explanation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert writing.MOST_PAGES == 20
    monkeypatch.setattr(writing, "MOST_PAGES", 2)
    report, one = OnePageReport(), keep_one_map(photo)
    for number in range(1, 5):
        report.take(one, one.pictures[0], find_ranges(one.pictures, RenderSettings())[0], number)
    assert len(report.pages) == 2 and report.left_out == 2


def test_a_picture_without_a_map_is_left_out_with_the_reason(photo: Explanation) -> None:
    report, one = OnePageReport(), keep_one_map(photo)
    report.take(one, replace(one.pictures[0], maps=()), {}, 1)
    assert report.pages == [] and "Prompt-CAM needs" in report.problems[0]
    with pytest.raises(ExplainError, match="Prompt-CAM needs"):
        report.encode("html")
