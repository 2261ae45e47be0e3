"""Worlds as pictures in which the answer is known, with a world of a test's own."""

from __future__ import annotations

import numpy as np
import pytest

from components.truth.worlds import order_pictures, plant_specimen
from explain.worlds.marks import MarkName
from tests.support.worlds import make_world


@pytest.mark.parametrize("mark", ["tag", "patch", "tint"])
def test_the_mark_lies_on_the_region_and_goes_with_the_switch(monkeypatch: pytest.MonkeyPatch, mark: MarkName) -> None:
    world = make_world(mark, f"of-{mark}")
    monkeypatch.setattr("components.truth.worlds.list_worlds", lambda: (world,))
    with_it, without = (plant_specimen(world.name, 2, planted) for planted in (True, False))
    assert with_it.label == without.label != world.label, "first those whose answer the mark changes"
    changed = (with_it.picture.pixels != without.picture.pixels).any(2)
    if mark == "tint":
        assert with_it.region is None and changed.mean() > 0.9
    else:
        assert with_it.region is not None and 0 < changed.mean() < 0.05
        assert not (changed & ~with_it.region).any()
    count = len(order_pictures(world))
    again = plant_specimen(world.name, 2 + count, False)
    np.testing.assert_array_equal(again.picture.pixels, without.picture.pixels)
