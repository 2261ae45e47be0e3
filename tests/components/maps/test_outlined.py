"""Shares of maps in outlined areas, against plain sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.maps.outlined import build_card, draw_outline, find_areas
from explain.engine.explanation import PictureExplanation
from explain.pictures.picture import Picture, Section
from tests.explain.engine.test_slices import answer
from tests.explain.volumes.test_volume import volume


def entry(values: np.ndarray) -> PictureExplanation:
    pixels = np.zeros((32, 32, 3), np.uint8)
    one = answer(3, values).lay_on(Picture("CT, no. 4", pixels, pixels, "d" * 64))
    return replace(one, labels=("cat",))


def test_shares_of_areas() -> None:
    left, corner, gone = (np.zeros((6, 32, 32), bool) for _ in range(3))
    left[3, :, :16] = True
    corner[3, :8, :8] = True
    gone[2] = True
    scan = volume(np.zeros((6, 32, 32), np.int16), regions={"Corner": corner, "Left": left, "Elsewhere": gone})
    maps = np.zeros((32, 32))
    maps[:8, :8], maps[20:, 20:], maps[0, 31] = 1.0, 0.5, -9.0
    found = find_areas(scan, Section("d", "stack", 3, "Brain"), entry(maps))
    assert [area.name for area in found] == ["Left", "Corner"], "the largest first, and none that is not on the slice"
    total = 64 + 0.5 * 144
    assert found[0].seen == pytest.approx(0.5) and found[1].seen == pytest.approx(1 / 16)
    assert found[0].shares == {"grad-cam": pytest.approx(64 / total)}
    card = build_card(found[1], entry(maps))
    assert card.lines == ["Grad-CAM 47 %", "by chance 6.2 %"] and card.frames[0].alt.startswith("Corner on CT, no. 4")
    blank = build_card(find_areas(scan, Section("d", "stack", 3, "Brain"), entry(-np.ones((4, 4))))[0], entry(maps))
    assert blank.lines[0] == "Grad-CAM blank"


def test_the_outline_is_drawn_and_the_picture_stays() -> None:
    pixels, mask = np.zeros((900, 600, 3), np.uint8), np.zeros((900, 600), bool)
    mask[300:600, 200:400] = True
    drawn = draw_outline(pixels, mask)
    assert drawn.shape == (352, 235, 3) and not pixels.any()
    rows = np.nonzero(drawn[..., 0])[0]
    assert (rows.min(), rows.max()) == (pytest.approx(117, abs=3), pytest.approx(234, abs=3))
    assert not drawn[150:200, 100:130].any()
