"""A file's name may be a patient's: who sees it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from explain.pictures.naming import Names, hide_name
from tests.support.engine import make_picture


@pytest.mark.parametrize(
    ("names", "modality", "hidden"),
    [
        ("auto", None, False),
        ("auto", "CT", True),
        ("hidden", None, True),
        ("hidden", "OT", True),
        ("shown", None, False),
        ("shown", "CT", False),
    ],
)
def test_names_of_dicom_files_are_hidden_all_or_none(names: Names, modality: str | None, hidden: bool) -> None:
    picture = replace(make_picture(0, "DOE_JOHN.dcm"), modality=modality, source="3dd31e" + "0" * 58)
    called = hide_name(picture, 2, names)
    assert called.name == ("Picture 2 · 3dd31e" if hidden else "DOE_JOHN.dcm")
    assert called.digest == picture.digest and called.pixels is picture.pixels
