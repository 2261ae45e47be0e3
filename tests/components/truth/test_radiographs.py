"""Radiographs on Truth: the switch, and figures that are the benchmark's file."""

from __future__ import annotations

import json

from components.truth.radiographs import describe_leanings, describe_making, pick_radiograph, write_areas
from explain.worlds.radiographs import frame, list_radiographs, read_leanings
from explain.worlds.worlds import FOLDER


def test_without_its_border_a_radiograph_is_another_picture_with_the_same_middle() -> None:
    (whole, described), *_ = list_radiographs()
    own, hidden = (pick_radiograph(1, own, "hidden") for own in (True, False))
    pasted = pick_radiograph(1, False, "pneumonia")
    assert own.picture is whole and own.told == f"Labelled: {described.label}. View: {described.view}."
    assert own.other is not None and own.other.digest == hidden.picture.digest and hidden.other is whole
    border = frame(whole.size)
    for one in (hidden, pasted):
        assert (one.picture.pixels[~border] == whole.pixels[~border]).all()
        assert (one.picture.pixels[border] != whole.pixels[border]).any()
    assert own.region is not None and (own.region == border).all()
    assert pick_radiograph(1 + len(list_radiographs()), True, "hidden").picture.digest == whole.digest


def test_every_figure_is_the_files() -> None:
    leanings = read_leanings()
    assert leanings is not None
    told = json.loads((FOLDER / "radiographs.json").read_text(encoding="utf-8"))["chest-xray"]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in write_areas(leanings).splitlines()[2:]]

    def say(name: str) -> str:
        one = told["areas"][name]
        return f"{one['value']:.3f} ({one['low']:.3f}–{one['high']:.3f})"

    border, middle = "border, a seventh of the side", "middle, all but the border"
    assert rows == [
        ["The whole radiograph", say("as it is"), say("matched by view")],
        ["Border hidden", say(f"hidden: {border}"), say(f"hidden, matched by view: {border}")],
        ["Middle hidden: the border alone", say(f"hidden: {middle}"), say(f"hidden, matched by view: {middle}")],
        ["Nothing but the view, AP or PA", say("the view alone (PA: pneumonia)"), "0.5"],
    ]
    view, pasted, pointing = describe_leanings(leanings)
    assert say("AP only") in view and say("PA only") in view
    called = told["carried"][border]["called pneumonia"]
    assert all(f"{100 * share:.0f} %" in pasted for share in called.values())
    assert f"Grad-CAM {100 * told['pointing']['grad-cam']['hit']:.0f} %" in pointing
    assert f"{told['pictures']} held-out radiographs of {told['patients']} patients" in describe_making(leanings)
