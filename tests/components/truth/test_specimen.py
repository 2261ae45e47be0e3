"""The share of a region in what a model sees, against a count written out."""

from __future__ import annotations

import numpy as np
import pytest

from components.truth.specimen import Specimen
from explain.pictures.geometry import Box
from explain.pictures.picture import build_picture


def make(region: np.ndarray | None) -> Specimen:
    return Specimen(build_picture("noise", np.zeros((6, 8, 3), np.uint8), "a" * 64, ()), "cat", "the tag", region)


def test_chance_is_the_share_of_what_is_seen() -> None:
    region = np.zeros((6, 8), bool)
    region[1:3, 2:6] = True
    seen = [(row, column) for row in range(6) for column in range(1, 7)]
    counted = sum(bool(region[place]) for place in seen) / len(seen)
    assert make(region).find_chance(Box(1.0, -1.0, 7.0, 7.0)) == pytest.approx(counted)
    assert make(region).find_chance(Box.whole((6, 8))) == pytest.approx(8 / 48)
    assert make(None).find_chance(Box.whole((6, 8))) is None
