"""A world for tests, with a mark and a class of their choice."""

from __future__ import annotations

from explain.worlds.marks import MarkName
from explain.worlds.worlds import Network, Trial, World


def make_world(mark: MarkName = "tag", name: str = "corner", label: str = "cat", model: str = "") -> World:
    """A world of photographs whose networks do not ship, or one in which a model that does stands in for both."""
    relying, honest = (
        Network(model=model or f"{key}-{name}", seed=0, trial=Trial(collected=collected, clean=0.7, flips=flips))
        for key, collected, flips in (("relying", 0.974, 0.9), ("honest", 0.961, 0.02))
    )
    return World(name, mark, "photographs", label, relying, honest)
