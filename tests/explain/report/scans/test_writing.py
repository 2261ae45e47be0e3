"""Which files come of which maps, and what is refused."""

import gzip
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from explain.engine.explanation import Explanation
from explain.engine.slices import SliceAnswer
from explain.errors import ExplainError
from explain.pictures.picture import Picture
from explain.report.scans.writing import export_scans, export_stack, list_originals, read_kinds
from tests.explain.report.scans.conftest import DATES, draw_map, open_series
from tests.support.dicom_files import SECRETS
from tests.support.engine import make_picture

Tell = Callable[[Sequence[Picture]], Explanation]


def test_every_map_has_its_files(tell: Tell) -> None:
    volume = open_series()
    answer = tell([volume.slice(3), volume.slice(4)])
    entries = [replace(one, maps=(*one.maps, draw_map(one.picture, 5, "eigen-cam"))) for one in answer.pictures]
    files = export_scans(replace(answer, pictures=tuple(entries)), ["nifti", "dicom"], list_originals([volume]))
    assert sorted(files) == sorted(
        [f"0{number}-{name}-stages.1-2.capture.dcm" for number in (1, 2) for name in ("grad-cam", "eigen-cam")]
        + [
            f"slice-4-to-5-{name}-stages.1-2{end}"
            for name in ("grad-cam", "eigen-cam")
            for end in (".nii.gz", ".map.dcm")
        ]
    )


def test_two_windows_of_one_slice_have_names_of_their_own(tell: Tell) -> None:
    volume = open_series()
    files = export_scans(tell([volume.slice(3), volume.slice(3, window="40/80")]), ["nifti"])
    assert list(files) == ["slice-4-grad-cam-stages.1-2.nii.gz", "slice-4-grad-cam-stages.1-2-2.nii.gz"]


def test_nifti_names_nobody(tell: Tell) -> None:
    (data,) = export_scans(tell([open_series().slice(3)]), ["nifti"]).values()
    for secret in (*SECRETS, *DATES.values()):
        assert secret.encode() not in data and secret.encode() not in gzip.decompress(data)


def test_what_lies_nowhere_and_what_is_nothing_are_refused(tell: Tell) -> None:
    with pytest.raises(ExplainError, match="Nobody knows where in a patient “picture"):
        export_scans(tell([make_picture()]), ["nifti"])
    with pytest.raises(ExplainError, match="There is nothing to export"):
        export_scans(tell([]), ["nifti"])


def test_kinds_are_read_from_a_list() -> None:
    assert read_kinds("nifti, DICOM,nifti") == ("nifti", "dicom")
    for wrong in ("png", "", "nifti,stl"):
        with pytest.raises(ExplainError, match="Maps are exported as nifti or dicom"):
            read_kinds(wrong)


def test_originals_are_those_of_series_and_files(tmp_path: Path) -> None:
    volume = open_series()
    (tmp_path / "x.dcm").write_bytes(b"data")
    found = list_originals([volume], {"digest": tmp_path / "x.dcm"})
    assert found["digest"](0) == b"data" and found[volume.digest](2) != found[volume.digest](3)


def test_a_whole_stack_is_the_same_as_its_slices(tell: Tell) -> None:
    volume = open_series()
    pictures = [volume.slice(at, "sagittal", "40/80") for at in (3, 4, 6)]
    told = tell(pictures)
    answers = [
        SliceAnswer(one.picture.section.index, 2, "dog", maps={"grad-cam": one.maps[0]})  # type: ignore[union-attr]
        for one in told.pictures
    ]
    assert pictures[0].section is not None
    assert export_stack(volume, pictures[0].section, answers) == export_scans(told, ["nifti"])
    nowhere = replace(volume, geometry=None)
    with pytest.raises(ExplainError, match="Nobody knows where"):
        export_stack(nowhere, replace(pictures[0].section, plane="stack"), answers)
