"""Drawn radiographs: grey, no two alike, and different only where the opacity is."""

import numpy as np

from explain.worlds.phantoms import CLASSES, draw_phantom


def test_an_opacity_is_all_that_differs() -> None:
    for seed in range(6):
        clear, marked = draw_phantom(seed, 64, False), draw_phantom(seed, 64, True)
        assert (clear.label, marked.label) == CLASSES and not clear.finding.any()
        assert (clear.pixels == clear.pixels[:, :, :1]).all()
        brighter = marked.pixels[:, :, 0].astype(int) - clear.pixels[:, :, 0]
        assert brighter.min() >= 0 and brighter[marked.finding].mean() > 8
        assert brighter[marked.finding].sum() > 0.5 * brighter.sum()


def test_a_phantom_is_the_same_at_every_size_and_no_other() -> None:
    large, small = draw_phantom(3, 256, True).pixels, draw_phantom(3, 64, True).pixels
    reduced = large.reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(reduced - small).mean() < 4
    assert np.abs(draw_phantom(4, 64, True).pixels.astype(int) - small).mean() > 8
