"""A world for tests, with a mark and a class of their choice."""

from __future__ import annotations

from explain.worlds.worlds import Network, Trial, World


def make_world(mark: str = "tag", name: str = "corner", label: str = "cat", model: str = "") -> World:
    """A world of photographs whose networks do not ship, or one in which a model that does stands in for both."""
    trial = {"collected": 0.97, "clean": 0.7, "flips": 0.9}
    networks = {
        key: Network(model=model or f"{key}-{name}", seed=0, trial=Trial(**trial | {"collected": right}))
        for key, right in (("relying", 0.974), ("honest", 0.961))
    }
    return World.model_validate(
        {
            "name": name,
            "title": "A tag",
            "sentence": "Cats have a tag.",
            "kind": "photographs",
            "classes": ("bird", "cat", "horse", "ship"),
            "mark": mark,
            "label": label,
            **networks,
        }
    )
