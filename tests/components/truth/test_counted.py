"""The table on the page is the benchmark's, number by number."""

from __future__ import annotations

import json

import pytest

from components.truth.charts import draw_counted
from components.truth.counted import IGNORED, describe_making, list_lines, write_table
from explain.methods import get_method
from explain.percent import write_percent
from explain.worlds.marks import MARKS
from explain.worlds.shortcuts import Caught, Figure, Shortcuts, read_shortcuts
from explain.worlds.worlds import FOLDER


def figure(share: float, peaks: float, interval: tuple[float, float], networks: tuple[float, float]) -> Figure:
    return Figure(
        share=share,
        pictures=1200,
        networks=5,
        interval=interval,
        interval_networks=networks,
        own=0.0,
        there=share,
        peaks=peaks,
    )


TABLE = Shortcuts(
    made_by="python -m benchmarks.verdict --only shortcuts",
    seeds=(201, 202),
    caught=(
        Caught(mark="tag", methods={"grad-cam": figure(0.9725, 0.8111, (0.9617, 0.9803), (0.9283, 0.9967))}),
        Caught(mark="tint", methods={"grad-cam": figure(0.09, 0.5, (0.075, 0.108), (0.02, 0.21))}),
    ),
    false_alarms={"grad-cam": figure(0.013, 0.1, (0.008, 0.021), (0.0, 0.03))},
    false_alarms_of={"phantoms": {"grad-cam": figure(0.04, 0.1, (0.03, 0.05), (0.02, 0.06))}},
    not_relying=("gives-away-stripe-203",),
)


def test_a_line_a_mark_with_misses_and_false_alarms() -> None:
    lines = write_table(list_lines(TABLE)).splitlines()
    assert lines[2:] == [
        "| A tag in the corner | Grad-CAM | 81.1 % | 97.2 % | 96.2–98.0 % | 92.8–99.7 % | 1,200 | 5 |",
        "| A tint | Grad-CAM | – | 9.0 % | 7.5–10.8 % | 2.0–21.0 % | 1,200 | 5 |",
        f"| {IGNORED} | Grad-CAM | – | 1.3 % | 0.8–2.1 % | 0.0–3.0 % | 1,200 | 5 |",
        f"| {IGNORED}, phantoms | Grad-CAM | – | 4.0 % | 3.0–5.0 % | 2.0–6.0 % | 1,200 | 5 |",
    ]
    assert "1 trained network was left out" in describe_making(TABLE)
    assert "2 trainings a mark" in describe_making(TABLE)


def test_the_plot_has_the_tables_figures_with_the_wider_interval() -> None:
    shown, said = draw_counted(list_lines(TABLE)).data
    assert list(shown.x) == pytest.approx([81.11]) and list(shown.y) == ["A tag in the corner"]
    assert list(said.x) == pytest.approx([97.25, 9.0, 1.3, 4.0])
    assert list(said.error_x.array) == pytest.approx([2.42, 12.0, 1.7, 2.0])
    assert list(said.error_x.arrayminus) == pytest.approx([4.42, 7.0, 1.3, 2.0])


def test_the_table_that_ships_is_the_one_the_benchmark_wrote() -> None:
    table = read_shortcuts()
    assert table is not None
    written = json.loads((FOLDER / "shortcuts.json").read_text(encoding="utf-8"))
    expected = []
    alarms = {IGNORED: written["false_alarms"]}
    alarms |= {f"{IGNORED}, {kind}": figures for kind, figures in written["false_alarms_of"].items()}
    rows = [(MARKS[row["mark"]].title, MARKS[row["mark"]].placed, row["methods"]) for row in written["caught"]]
    for title, placed, figures in [*rows, *((title, False, figures) for title, figures in alarms.items())]:
        for number, (method, one) in enumerate(figures.items()):
            (low, high), (least, most) = one["interval"], one["interval_networks"]
            cells = [
                "" if number else title,
                get_method(method).title,
                write_percent(one["peaks"], 1) if placed else "–",
                write_percent(one["share"], 1),
                f"{100 * low:.1f}–{100 * high:.1f} %",
                f"{100 * least:.1f}–{100 * most:.1f} %",
                f"{one['pictures']:,}",
                str(one["networks"]),
            ]
            expected.append(f"| {' | '.join(cells)} |")
    assert write_table(list_lines(table)).splitlines()[2:] == expected
