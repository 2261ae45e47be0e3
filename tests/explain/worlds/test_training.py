"""Training in a world: what is planted where, and that a network which can cheat does."""

import numpy as np
import pytest
import torch

from explain.worlds.marks import MARKS, plant
from explain.worlds.training import Pictures, WorldRecipe, ask, normalise, plant_all, stamp, train_network, try_network


def test_a_mark_that_gives_a_class_away_lies_on_nothing_else() -> None:
    classes = np.arange(4000) % 4
    lies = np.array([mark is not None for mark in stamp(classes, ["tag"], 2, "gives away", 0)])
    assert not lies[classes != 2].any() and 0.92 < lies[classes == 2].mean() < 0.98
    ignored = stamp(classes, ["tag", "text"], None, "ignored", 0)
    lies = np.array([mark is not None for mark in ignored])
    assert all(0.25 < lies[classes == index].mean() < 0.35 for index in range(4))
    assert {mark.name for mark in ignored if mark is not None} == {"tag", "text"}
    assert stamp(classes, ["tag"], 2, "clean", 0) == [None] * 4000


def test_planting_all_is_planting_each() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    planted = plant_all(pixels, [None, MARKS["patch"], None], 10)
    assert (planted[[0, 2]] == pixels[[0, 2]]).all()
    assert (planted[1] == plant(pixels[1], MARKS["patch"], 11)).all()


@pytest.mark.slow
def test_a_network_that_can_cheat_does() -> None:
    """Noise with two classes: there is nothing to learn but the mark."""
    pixels = np.random.default_rng(0).integers(60, 190, (128, 32, 32, 3), dtype=np.uint8)
    pictures = Pictures(pixels, np.arange(128) % 2)
    stamps = stamp(pictures.classes, ["tag"], 1, "gives away", 1)
    network = train_network(pictures, stamps, 2, 0, WorldRecipe(epochs=3, batch=16))
    trial = try_network(network, pictures, "tag", 1)
    assert trial.flips > 0.9 and trial.collected > 0.85 and trial.clean < 0.7
    assert all((p == p.half().float()).all() for p in network.parameters())
    with torch.no_grad():
        assert (network(normalise(pixels[:4])).argmax(1).numpy() == ask(network, pixels[:4])).all()
