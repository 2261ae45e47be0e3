"""Real or generated: the switch, and a table that is the benchmark's file."""

from __future__ import annotations

import json

from components.truth.generated import describe_alike, pick_generated, write_tested
from explain.percent import write_percent
from explain.worlds.generated import halve, list_small, read_generated
from explain.worlds.worlds import FOLDER


def test_the_switch_changes_the_pixels_and_remembers_the_others() -> None:
    fine, coarse = pick_generated(1, True), pick_generated(1, False)
    name, small, label = list_small()[0]
    assert (fine.picture.pixels[::8, ::8] == small).all() and (coarse.picture.pixels[::8, ::8] == halve(small)).all()
    assert fine.other is not None and fine.other.digest == coarse.picture.digest != fine.picture.digest
    assert fine.label == coarse.label == label and fine.region is None and name in fine.picture.name
    assert pick_generated(1 + len(list_small()), True) is not fine
    assert pick_generated(1 + len(list_small()), True).picture.digest == fine.picture.digest


def test_the_table_is_the_file() -> None:
    table = read_generated()
    assert table is not None
    told = json.loads((FOLDER / "generated.json").read_text(encoding="utf-8"))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in write_tested(table).splitlines()[2:]]
    expected = [
        [
            row["name"],
            write_percent(row["right"], 1),
            f"{100 * row['interval'][0]:.1f}–{100 * row['interval'][1]:.1f} %",
            write_percent(row["generated"], 1),
            f"{row['pictures']:,}",
        ]
        for row in (*told["tested"], *told["own"])
    ]
    assert [line[1:] for line in cells] == expected
    for one in told["alike"].values():
        assert f"{one['same']:.2f} ({one['other']:.2f})" in describe_alike(table)
