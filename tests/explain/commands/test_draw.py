"""`draw` on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from explain.bundled.pictures import bundled_pictures
from explain.percent import write_percent

Run = Callable[[str], tuple[int, str, str]]
QUICK = "--model photo-cnn --steps 8 --crops 1"


def find(name: str) -> str:
    return next(str(picture.path) for picture in bundled_pictures() if picture.name == name)


def test_it_writes_real_places_first_and_a_drawing(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "wanted"
    given = " ".join(f"--pictures {find(name)}" for name in ("cat", "kitten", "hens"))
    status, printed, told = run(f"draw --target cat {given} --out {out} {QUICK}")
    assert status == 0 and "[100 %]" not in told and "Drawing “cat”" in told
    data = json.loads((out / "wanted.json").read_text())
    assert [one["picture"] for one in data["best"]] == ["cat.jpg", "kitten.jpg", "hens.jpg"]
    assert data["settings"]["steps"] == 8 == len(data["drawings"][0]["curve"])
    lines = printed.splitlines()
    assert lines[0] == "“cat”, in real pictures:" and "What raises the score, not what is in your picture." in lines[-1]
    share = data["drawings"][0]["probability"]
    assert write_percent(share, 1) in printed and write_percent(data["best"][0]["probability"], 1) in printed
    assert np.asarray(Image.open(out / "drawing-1.png")).shape == (32, 32, 3)
    assert {path.name for path in out.iterdir()} == {
        "wanted.json",
        "drawing-1.png",
        "worked-1.png",
        "real-1.png",
        "real-2.png",
        "real-3.png",
    }


def test_what_cannot_be_drawn_is_said(run: Run, tmp_path: Path) -> None:
    for asked, said in (
        ("", "either of them"),
        ("--target zebra", "no class “zebra”"),
        ("--channel 99999", "no channel 99999"),
        (f"--target cat --pictures {tmp_path}", "holds no pictures"),
    ):
        status, _, told = run(f"draw --out {tmp_path / 'out'} {asked} {QUICK}")
        assert status == 2 and said in told, asked
