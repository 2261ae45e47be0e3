"""Passes are added and taken away, forward and backward apart."""

from explain.passes.count import Passes


def test_passes_add_up() -> None:
    assert Passes(3, 1) + Passes(2, 2) == Passes(5, 3)
    assert Passes(3, 1) - Passes(2, 1) == Passes(1, 0)
    assert Passes() == Passes(0, 0)
