"""A comparison as files: every figure is in each, and names cannot break a table."""

import csv
import io
import json

import pytest

from explain.collections.bootstrap import Estimate
from explain.collections.comparison import Comparison, Line, MeasureTable
from explain.collections.comparison_files import list_lines, write_csv, write_json, write_latex
from explain.collections.comparison_plot import draw_comparison


@pytest.fixture
def comparison() -> Comparison:
    lines = (
        Line("grad-cam", "Grad-CAM", True, Estimate(0.5, 0.4, 0.6), 0.52),
        Line("rise", "RISE", True, Estimate(0.45, 0.3, 0.6), 0.4, Estimate(-0.05, -0.1, 0.02), 0.3),
        Line("random", "Random", False, Estimate(0.2, 0.1, 0.3), 0.2, Estimate(-0.3, -0.4, -0.2), 0.0004),
    )
    insertion = MeasureTable("insertion", "Insertion", "higher", "mean", 38, {"It is gone.": 2}, "grad-cam", lines)
    shares = (
        Line("grad-cam", "Grad-CAM", True, Estimate(0.7, 0.6, 0.8), 1.0),
        Line("rise", "RISE", True, Estimate(0.3, 0.2, 0.4), 0.0, Estimate(-0.4, -0.5, -0.3), 0.0002),
    )
    backed = MeasureTable("verdict: undecided", "Verdict “undecided”", "neither", "mean", 40, {}, "grad-cam", shares)
    return Comparison((insertion, backed), "40 of 90 explained pictures.", ("A note.",), "mean", 3, "my_net_50%", "a_b")


def test_a_spreadsheet_has_every_figure(comparison: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(write_csv(comparison).decode())))
    assert len(rows) == 5
    rise = rows[1]
    assert (rise["measure"], rise["better"], rise["method"], rise["kind"], rise["pictures"]) == (
        "Insertion",
        "higher",
        "RISE",
        "method",
        "38",
    )
    numbers = [rise[name] for name in ("value", "low", "high", "median", "difference", "difference_low", "chance")]
    assert [float(number) for number in numbers] == [0.45, 0.3, 0.6, 0.4, -0.05, -0.1, 0.3]
    assert (rise["against"], rise["apart"], rise["sample"]) == ("Grad-CAM", "no", "40 of 90 explained pictures.")
    assert (
        rows[0]["difference"] == rows[0]["apart"] == "" and rows[2]["kind"] == "baseline" and rows[2]["apart"] == "yes"
    )


def test_latex_is_whole_and_marks_what_cannot_be_told_apart(comparison: Comparison) -> None:
    told = write_latex(comparison).decode()
    assert r"my\_net\_50\%" in told and "layer a\\_b" in told
    assert r"Method & Insertion $\uparrow$ & Verdict ``undecided'' \\" in told
    assert r"Grad-CAM & \textbf{0.500} [0.400, 0.600] & \textbf{0.700} [0.600, 0.800] \\" in told
    assert r"RISE & 0.450$^\dagger$ [0.300, 0.600] & 0.300 [0.200, 0.400] \\" in told
    assert r"Random & 0.200 [0.100, 0.300] & -- \\" in told
    assert told.count(r"\begin") == told.count(r"\end") == 2 and "38 to 40 pictures" in told


def test_json_and_lines_say_what_was_left_out(comparison: Comparison) -> None:
    told = json.loads(write_json(comparison))
    assert told["tables"][0]["excluded"] == {"It is gone.": 2} and "Petsiuk" in told["tables"][0]["rule"]
    assert told["tables"][0]["lines"][2]["difference"] == {"value": -0.3, "low": -0.4, "high": -0.2}
    sentence = "Insertion: Grad-CAM is better than Random; Grad-CAM cannot be told apart from RISE."
    assert told["tables"][0]["sentence"] == sentence
    lines = "\n".join(list_lines(comparison))
    assert sentence in lines and "left out, 2: It is gone." in lines and "Grad-CAM differs from RISE" in lines
    assert "+" not in lines.split("apart")[1].splitlines()[1]  # nothing stands beside what all are held against


@pytest.mark.parametrize(("kind", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_the_plot_is_a_drawing(comparison: Comparison, kind: str, start: bytes) -> None:
    data = draw_comparison(comparison, kind)  # type: ignore[arg-type]
    assert data.startswith(start)
    if kind == "svg":
        told = data.decode()
        assert all(name in told for name in ("Grad-CAM", "RISE", "Random", "higher is better", "my_net_50%"))
        assert "http" not in told.replace("http://www.w3.org", "")
