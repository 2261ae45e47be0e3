"""`measure` on the command line."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

from explain.bundled.pictures import bundled_pictures

Run = Callable[[str], tuple[int, str, str]]


def test_it_writes_a_table_and_all_of_it_and_leaves_out_what_is_no_picture(run: Run, tmp_path: Path) -> None:
    hens = next(picture.path for picture in bundled_pictures() if picture.name == "hens")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    asked = "--model photo-cnn --methods grad-cam,eigen-cam --measures deletion,gain"
    status, printed, told = run(f"measure {hens} {bad} {asked} --out {tmp_path / 'out'}")
    assert status == 1 and "left out: “bad.png”" in told
    assert "Mean activation" in printed and "on this picture" in printed.lower()
    lines = [*csv.DictReader((tmp_path / "out" / "measures.csv").open(encoding="utf-8"))]
    assert [line["map"] for line in lines][:2] == ["Grad-CAM", "Eigen-CAM"] and lines[0]["deletion"]
    assert lines[0]["road"] == ""
    written = json.loads((tmp_path / "out" / "measures.json").read_text(encoding="utf-8"))
    assert {curve["measure"] for curve in written["pictures"][0]["curves"]} == {"deletion"}
    status, _, told = run(f"measure {hens} --measures beauty --out {tmp_path / 'out'}")
    assert status == 2 and "There is no measure “beauty”" in told
