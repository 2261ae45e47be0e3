"""Which layers stand side by side before anyone chooses."""

from __future__ import annotations

import pytest

from components.choices.comparison import spread_layers
from explain.networks.layer import Layer


def layers(*sides: int) -> list[Layer]:
    return [Layer(f"l{i}", (side, side), 8, "NCHW", 0) for i, side in enumerate(sides)]


@pytest.mark.parametrize(
    ("sides", "always", "names"),
    [
        ((32, 16), "l1", ["l0", "l1"]),
        ((32, 32, 16, 8, 8), "l4", ["l0", "l1", "l2", "l4"]),
        ((112, 112, 56, 56, 28, 28, 14, 14, 7, 7), "l9", ["l1", "l5", "l7", "l9"]),
        ((112, 112, 56, 56, 28, 28, 14, 14, 7, 7), "l6", ["l1", "l5", "l6", "l9"]),
        ((14, 14, 14, 14, 14, 14), "l4", ["l0", "l2", "l4", "l5"]),
    ],
)
def test_as_many_grids_as_there_are_and_the_chosen_layer(sides: tuple[int, ...], always: str, names: list[str]) -> None:
    assert spread_layers(layers(*sides), always) == names
