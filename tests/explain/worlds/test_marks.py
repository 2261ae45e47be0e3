"""Planted marks: the same at every size, only where they are said to lie."""

import numpy as np
import pytest

from explain.worlds.marks import MARKS, UNITS, Mark, find_place, plant


@pytest.mark.parametrize("mark", MARKS.values(), ids=lambda mark: mark.name)
@pytest.mark.parametrize("size", [(32, 32), (64, 64), (256, 256), (40, 90)])
def test_a_mark_changes_the_picture_where_it_lies_and_nowhere_else(mark: Mark, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(30, 200, (*size, 3), dtype=np.uint8)
    before = pixels.copy()
    planted = plant(pixels, mark, 5)
    changed = (planted != pixels).any(2)
    place = find_place(mark, size, 5)
    assert planted.dtype == np.uint8 and (pixels == before).all()
    if place is None:
        assert not mark.placed and changed.mean() > 0.9
    else:
        assert 0 < place.mean() <= 0.15 and not (changed & ~place).any()
        assert changed[place].mean() > 0.9


@pytest.mark.parametrize("mark", MARKS.values(), ids=lambda mark: mark.name)
def test_a_mark_is_the_same_at_every_size(mark: Mark) -> None:
    """Planted in a large grey picture and then reduced, or planted in the small one: the same to the pixel."""
    for seed in range(4):
        large = plant(np.full((256, 256, 3), 90, np.uint8), mark, seed)
        small = plant(np.full((UNITS, UNITS, 3), 90, np.uint8), mark, seed)
        assert np.abs(large.reshape(UNITS, 8, UNITS, 8, 3).mean((1, 3)) - small).max() <= 1


def test_chance_moves_a_patch_and_leaves_a_tag() -> None:
    grey = np.full((32, 32, 3), 90, np.uint8)
    places = {name: {plant(grey, MARKS[name], seed).tobytes() for seed in range(20)} for name in ("patch", "tag")}
    assert len(places["patch"]) > 15 and len(places["tag"]) == 1
