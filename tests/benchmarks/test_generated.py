"""The table of the lesson on generated pictures: its counting, and that it agrees with the one that ships."""

from __future__ import annotations

import numpy as np

from benchmarks.generated import count, measure
from explain.worlds.generated import EXPLAINED, list_generated, list_own, read_generated
from explain.worlds.training import Pictures


def test_answers_are_counted_with_an_interval() -> None:
    row = count("some", np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
    assert (row.right, row.generated, row.pictures) == (0.75, 0.5, 4)
    assert 0.30 < row.interval[0] < 0.31 and 0.95 < row.interval[1] < 0.96, "Wilson's, of 3 in 4"


def test_what_is_measured_of_pictures_that_ship_is_what_the_table_says() -> None:
    pixels = np.stack([small for _, small in (*list_generated(), *list_own())])
    classes = np.array([EXPLAINED] * len(list_generated()) + [0] * len(list_own()))
    found, shipped = measure(Pictures(pixels, classes), ("grad-cam",), 1), read_generated()
    assert shipped is not None and found.own == shipped.own
    assert [row.name for row in found.tested] == [row.name for row in shipped.tested]
    assert found.tested[0].right > found.tested[1].right
    alike = found.alike["grad-cam"]
    assert alike.pictures > 3 and alike.other < alike.same < 1
