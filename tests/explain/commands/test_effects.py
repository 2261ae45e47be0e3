"""`effects` on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from explain.bundled.pictures import bundled_pictures, read_parts

Run = Callable[[str], tuple[int, str, str]]


def find(name: str) -> str:
    return next(str(picture.path) for picture in bundled_pictures() if picture.name == name)


def test_it_says_what_happens_without_parts_and_places(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    two = lambda entry: {name: read_parts(entry)[name] for name in ("crest", "eye")}  # noqa: E731 - all take long
    monkeypatch.setattr("explain.commands.effects.read_parts", two)
    status, printed, told = run(f"effects {find('crested-finch')} --parts --model birds-cnn --json")
    data = json.loads(printed)
    parts = {region["name"]: region for region in data["regions"]}
    assert status == 0 and data["label"] == "crested finch" and "[100 %]" in told
    assert parts["crest"]["score"]["stands_out"] and "“crest”" in data["sentence"]
    assert set(parts["crest"]["flips"].values()) == {"sunny finch"}
    status, printed, _ = run(f"effects {find('cat')} --map grad-cam --above 0.8 --model photo-cnn")
    assert status == 0 and "where grad-cam is high" in printed
    assert "Not for diagnostic use." in printed


def test_what_cannot_be_asked_is_said(run: Run) -> None:
    hens = find("hens")
    for asked, said in (
        ("", "Say what is taken away"),
        ("--parts", "its parts are not known"),
        ("--region 1,2,3", "three corners or more"),
        ("--region ear=-9,-9,-1,-1", "holds no pixel"),
        ("--grid 7", "2 to 4"),
        ("--paths-from stages.0", "say --by-channel too"),
        ("--by-channel --paths-from stages.1", "does not come before"),
        ("--by-channel --twin nowhere.jpg", "nowhere.jpg"),
        (f"--by-channel --twin {hens} --grid 2", "not both"),
    ):
        status, _, told = run(f"effects {hens} --model photo-cnn {asked}")
        assert status == 2 and said in told, asked


def test_it_says_what_happens_without_channels(run: Run) -> None:
    asked = f"effects {find('cat')} --by-channel --layer stages.1 --paths-from stages.1.0 --model photo-cnn"
    status, printed, told = run(f"{asked} --beside {find('hens')} --region 135,60,271,150")
    assert status == 0 and "the other picture" in printed and "stages.1.0 → stages.1" in printed
    assert "Rank correlation" in printed and "[100 %]" in told and "Not for diagnostic use." in printed
    assert "2 pictures" in printed
    status, printed, _ = run(f"effects {find('cat')} --by-channel --model photo-cnn --beside {find('hens')} --json")
    data = json.loads(printed)
    assert status == 0 and data["paths"] is data["patches"] is None and len(data["channels"]["gradcam_weights"]) == 320
    assert [*data["channels"]["set_to"]] == ["mean", "zero"]
    asked = f"effects {find('cat')} --by-channel --layer blocks.5.norm1 --model photo-vit --beside {find('hens')}"
    status, printed, _ = run(f"{asked} --twin {find('horses')}")
    assert status == 0 and "Of 30 heads and MLPs" in printed and "from the other picture" in printed


def test_it_says_what_does_otherwise_than_expected(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = lambda entry: {name: read_parts(entry)[name] for name in ("crest", "legs")}  # noqa: E731 - all take long
    monkeypatch.setattr("explain.commands.effects.read_parts", two)
    asked = f"effects {find('crested-finch')} --parts --model birds-cnn"
    status, printed, _ = run(f"{asked} --expect traits")
    assert status == 0 and "Misattributed: 0 of 1." in printed and "layers are more active" in printed
    table = tmp_path / "mine.csv"
    table.write_text("class,crest,legs\ncrested finch,-,+\n")
    status, printed, _ = run(f"{asked} --expect {table} --json")
    expected = json.loads(printed)["expected"]
    assert {part["name"]: part["verdict"] for part in expected["parts"]} == {"crest": "wrong way", "legs": "no effect"}
    assert expected["sentence"].startswith("Misattributed: 2 of 2") and len(json.loads(printed)["layers"]) == 5
    table.write_text("class,crest\nsunny finch,+\n")
    status, _, told = run(f"{asked} --expect {table}")
    assert status == 2 and "expects nothing of “crested finch”" in told
