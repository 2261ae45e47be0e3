"""`series` lists what there is, `show --slice` explains a slice of it, and neither names the patient."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from explain.commands.series import are_volumes, list_indices, open_series
from explain.commands.series import series as list_series
from explain.commands.show import show
from explain.errors import ExplainError
from explain.report.replay import replay_manifest
from tests.explain.volumes.test_nifti import STANDING, nifti, numbers
from tests.explain.volumes.test_reading import pack
from tests.support.dicom_files import SECRETS, make_series, ramp, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two series, one with a gap, and a text."""
    place = tmp_path / "scans"
    place.mkdir()
    files = make_series(ramp(6, 40, 50), [(0, 0, 5.0 * at) for at in (0, 1, 2, 4, 5, 6)])
    files += make_series(ramp(4, 40, 50), Modality="MR", SeriesInstanceUID="1.2.3")
    for at, ds in enumerate(files):
        (place / f"Doe^Jane {at}.dcm").write_bytes(write(ds))
    (place / "letter.txt").write_text("Dear Jane")
    return place


def test_series_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list_series([folder])
    said = capsys.readouterr()
    assert "  1  CT, 7 slices, 40 × 50 pixels\n     Slice 4 is missing" in said.out and "  2  MR, 4 slices" in said.out
    list_series([folder], as_json=True)
    listed = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["shape"], one["missing"]) for one in listed] == [
        ("CT, 7 slices", [7, 40, 50], 1),
        ("MR, 4 slices", [4, 40, 50], 0),
    ]
    assert not [secret for secret in SECRETS if secret in said.out + said.err + json.dumps(listed)]


def read_slices(place: Path, number: int, which: str, plane: Any, window: str | None) -> list[str]:
    volume = open_series([place], number)
    return [volume.slice(at, plane, window).name for at in list_indices(volume, which, plane)]


def test_slices_are_chosen(folder: Path) -> None:
    def names(which: str, number: int = 1, plane: str = "stack") -> list[str]:
        return read_slices(folder, number, which, plane, None)

    assert names("middle") == ["CT, 7 slices, no. 3"]  # the fourth is missing
    assert names("2") == ["CT, 7 slices, no. 2"]
    assert names("3-5") == ["CT, 7 slices, no. 3", "CT, 7 slices, no. 5"]
    assert names("1", 2, "coronal") == ["MR, 4 slices, coronal 1"]
    for which, number, words in (
        ("0", 1, "no slice 0"),
        ("9", 1, "1 to 7"),
        ("5-3", 1, "no slice 5-3"),
        ("x", 1, "middle, a number"),
        ("4", 1, "not in the series"),
        ("1", 3, "There are: 1 CT, 7 slices; 2 MR, 4 slices"),
    ):
        with pytest.raises(ExplainError, match=words):
            names(which, number)
    with pytest.raises(ExplainError, match="no window “Jane”"):
        read_slices(folder, 1, "1", "stack", "Jane")
    with pytest.raises(ExplainError, match="not a picture"):
        read_slices(folder / "letter.txt", 1, "1", "stack", None)
    with pytest.raises(ExplainError, match="no file"):
        read_slices(folder / "none", 1, "1", "stack", None)


def test_nifti_files_and_zips_are_told_by_their_bytes(folder: Path) -> None:
    (folder / "a").write_bytes(nifti(numbers(4, 5, 6), rows=STANDING, codes=(0, 1)))
    (folder / "b").write_bytes(pack([b"x"]))
    assert are_volumes([folder / "a"]) and are_volumes([folder / "b"])
    assert not are_volumes([folder, folder / "letter.txt", folder / "none"])


def test_a_slice_is_explained(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    show([folder], out=out, model="birds-cnn", methods="eigen-cam", slice_="5", window="Brain")
    said = capsys.readouterr()
    assert "Series 1 of 2: CT, 7 slices" in said.out and "CT, 7 slices, no. 5: " in said.out
    written = b"".join(path.read_bytes() for path in out.iterdir()) + "".join(map(str, out.iterdir())).encode()
    assert not [secret for secret in SECRETS if secret.encode() in written or secret in said.out + said.err]
    report = replay_manifest(out / "manifest.json", [folder])
    assert report.reproduced and "no. 5, Eigen-CAM: the same, bit for bit." in report.lines[-2]
    with pytest.raises(ExplainError, match="was not found, or is not what it was"):
        replay_manifest(out / "manifest.json", [out])
    entry = json.loads((out / "manifest.json").read_text())["pictures"][0]
    assert entry["name"] == "CT, 7 slices, no. 5" and "Window: Brain, centre 40, width 80." in entry["notes"]
