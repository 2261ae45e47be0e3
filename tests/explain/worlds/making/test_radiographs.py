"""The radiographs that ship are chosen by number alone, one of a patient."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from explain.bundled.scan_sets import Scan
from explain.worlds.making import radiographs
from explain.worlds.making.radiographs import make
from explain.worlds.worlds import SIDE


def test_the_first_of_each_label_and_view_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (300, 300)).save(tmp_path / "a.jpg")
    described = [("boxed", 1, "PA"), ("1", 1, "PA"), ("1", 1, "AP"), ("2", 1, "AP"), ("3", 0, "AP"), ("4", 0, "PA")]
    scans = []
    for at, (patient, index, view) in enumerate([*described, ("5", 1, "PA")]):
        path = tmp_path / f"{at}.jpg"
        path.write_bytes((tmp_path / "a.jpg").read_bytes())
        scans.append(Scan(path, index, patient, box=(0, 0, 1, 1) if patient == "boxed" else (), view=view))
    monkeypatch.setattr(radiographs, "list_scans", lambda *asked: scans)
    out = tmp_path / "out"
    out.mkdir()
    make(tmp_path, out, each=1)
    listed = json.loads((out / "radiographs" / "radiographs.json").read_text())
    assert [(one["label"], one["view"]) for one in listed] == [
        ("pneumonia", "PA"),
        ("no finding", "PA"),
        ("pneumonia", "AP"),
        ("no finding", "AP"),
    ]
    assert [one["file"] for one in listed] == ["1.jpg", "5.jpg", "3.jpg", "4.jpg"], "no box, and 1 once"
    with Image.open(out / "radiographs" / "1.jpg") as image:
        assert image.size == (SIDE, SIDE) and image.mode == "L"
