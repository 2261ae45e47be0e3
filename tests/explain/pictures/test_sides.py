"""Letters of directions, against the definition of LPS."""

from __future__ import annotations

import math

import pytest

from explain.pictures.sides import Edges, name_direction, name_edges, read_edges


def test_letters_of_the_axes() -> None:
    axes = {(1, 0, 0): "L", (-1, 0, 0): "R", (0, 1, 0): "P", (0, -1, 0): "A", (0, 0, 1): "H", (0, 0, -1): "F"}
    assert {axis: name_direction(axis) for axis in axes} == axes


@pytest.mark.parametrize(("degrees", "letters"), [(0, "L"), (19, "L"), (21, "LP"), (44, "LP"), (46, "PL"), (71, "P")])
def test_a_second_letter_from_twenty_degrees_on(degrees: float, letters: str) -> None:
    angle = math.radians(degrees)
    assert name_direction((3 * math.cos(angle), 3 * math.sin(angle), 0)) == letters


def test_edges_of_the_three_planes() -> None:
    left, back, foot = (1, 0, 0), (0, 1, 0), (0, 0, -1)
    assert name_edges(back, left) == Edges("A", "L", "P", "R")
    assert name_edges(foot, left) == Edges("H", "L", "F", "R")
    assert name_edges(foot, back) == Edges("H", "P", "F", "A")


def test_edges_of_a_radiograph() -> None:
    assert read_edges("L", "F") == Edges("H", "L", "F", "R")
    assert read_edges("AL", "FP") == Edges("HA", "AL", "FP", "PR")
    assert read_edges("L", "Doe^Jane") is None and read_edges("", "F") is None
