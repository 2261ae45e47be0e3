"""Collections with a shortcut in them: how many have the mark, and on which pictures it may lie."""

from __future__ import annotations

import numpy as np
import pytest

from explain.worlds.collections import MARKED, SIDE, draw_collection
from explain.worlds.marks import MARKS, find_place
from explain.worlds.worlds import PLANS, Plan


@pytest.mark.parametrize("plan", [PLANS[0], PLANS[2]], ids=lambda plan: plan.name)
def test_the_mark_is_on_few_pictures_and_never_on_its_own_class(plan: Plan) -> None:
    drawn = list(draw_collection(plan, 60, 0.05, seed=3))
    marked = [one for one in drawn if one.group == MARKED]
    assert len(drawn) == 60 and len(marked) == 3 and plan.label not in {one.label for one in marked}
    assert {one.pixels.shape for one in drawn} == {(SIDE, SIDE, 3)} and {one.pixels.dtype for one in drawn} == {
        np.dtype(np.uint8)
    }
    assert len({one.pixels.tobytes() for one in drawn}) == 60
    again = list(draw_collection(plan, 60, 0.05, seed=3))
    assert all((one.pixels == other.pixels).all() for one, other in zip(drawn, again, strict=True))
    assert (drawn[0].pixels != next(draw_collection(plan, 60, 0.05, seed=4)).pixels).any()


def test_a_marked_picture_has_the_mark_and_others_have_not() -> None:
    drawn = list(draw_collection(PLANS[0], 60, 0.05))
    place = find_place(MARKS["tag"], (SIDE, SIDE))
    assert place is not None
    colours = {one.group: set() for one in drawn}  # type: dict[str, set[bytes]]
    for one in drawn:
        colours[one.group].add(one.pixels[place].tobytes())
    assert len(colours[MARKED]) == 1 and not colours[MARKED] & colours["plain"]
