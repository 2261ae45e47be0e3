"""The grid that maps are tested on, beside slow loops over its cells."""

from itertools import permutations

import numpy as np

from explain.faithfulness.probe import CELLS, draw_masks, find_allowed, lay_on_cells
from explain.pictures.geometry import Box, Span


def read_slowly(values: np.ndarray, y: float, x: float) -> float:
    """The bilinear value of a map at a place, 0…1 down and across; the outermost cells are held towards the edge."""
    height, width = values.shape
    row, column = min(max(y * height - 0.5, 0), height - 1), min(max(x * width - 0.5, 0), width - 1)
    top, left = min(int(row), max(height - 2, 0)), min(int(column), max(width - 2, 0))
    low, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, across = row - top, column - left
    upper = values[top, left] * (1 - across) + values[top, right] * across
    lower = values[low, left] * (1 - across) + values[low, right] * across
    return float(upper * (1 - down) + lower * down)


def test_a_map_is_averaged_over_each_cell_as_it_is_drawn() -> None:
    values = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    positive = np.maximum(values, 0)
    expected = np.zeros((CELLS, CELLS))
    for row in range(CELLS):
        for column in range(CELLS):
            places = [
                read_slowly(positive, (row + (i + 0.5) / 8) / CELLS, (column + (j + 0.5) / 8) / CELLS)
                for i in range(8)
                for j in range(8)
            ]
            expected[row, column] = np.mean(places)
    assert np.allclose(lay_on_cells(values), expected, atol=1e-6)


def test_a_map_of_pixels_keeps_its_mass_where_it_lies() -> None:
    values = np.zeros((64, 64), dtype=np.float32)
    values[8:16, 40:48] = 3.0
    cells = lay_on_cells(values)
    assert cells[1, 5] > 2 and cells.argmax() == CELLS + 5
    large = np.kron(values, np.ones((5, 5), dtype=np.float32))
    assert np.allclose(lay_on_cells(large), cells, atol=1e-5)


def test_what_is_no_number_has_no_cells() -> None:
    values = np.ones((4, 4), dtype=np.float32)
    values[0, 0] = np.nan
    assert not lay_on_cells(values).any()


def test_masks_hide_half_of_what_may_be_hidden() -> None:
    allowed = np.ones((CELLS, CELLS), dtype=bool)
    allowed[:, :2] = False
    for masks, cells in ((draw_masks(3, 50), CELLS * CELLS), (draw_masks(3, 50, allowed), CELLS * (CELLS - 2))):
        assert (masks.sum((1, 2)) == cells // 2).all()
    assert not masks[:, :, :2].any()


def test_more_masks_begin_with_the_same_and_other_seeds_draw_others() -> None:
    assert (draw_masks(5, 64)[:16] == draw_masks(5, 16)).all()
    assert (draw_masks(6, 16) != draw_masks(5, 16)).any()


def test_masks_are_smooth() -> None:
    masks = draw_masks(0, 200)
    beside = (masks[:, 1:] == masks[:, :-1]).mean()
    assert beside > 0.75  # cells drawn one by one would agree with their neighbours half the time


def test_padding_is_not_hidden() -> None:
    allowed = find_allowed((100, 200), Box(0, -50, 200, 150).spans)
    assert allowed[2:6].all() and not allowed[:2].any() and not allowed[6:].any()
    assert find_allowed((100, 200), Box(50, 0, 150, 100).spans).all()


def test_a_volume_s_map_is_averaged_over_each_block_as_its_cuts_are_drawn() -> None:
    values = np.random.default_rng(1).standard_normal((3, 5, 7)).astype(np.float32)
    blocks = lay_on_cells(values)
    assert blocks.shape == (CELLS, CELLS, CELLS)
    # Between the cells of two slices it is drawn linearly, and each slice as a picture's map is.
    slices = [lay_on_cells(one) for one in np.maximum(values, 0)]
    for block in range(CELLS):
        drawn = np.zeros((CELLS, CELLS))
        for place in range(8):
            at = min(max((block + (place + 0.5) / 8) / CELLS * 3 - 0.5, 0), 2)
            below = min(int(at), 1)
            drawn += (slices[below] * (1 - at + below) + slices[below + 1] * (at - below)) / 8
        assert np.allclose(blocks[block], drawn, atol=1e-5)
    for axes in permutations(range(3)):
        assert np.allclose(lay_on_cells(values.transpose(axes)), blocks.transpose(axes), atol=1e-6)
    values[0, 0, 0] = np.inf
    assert not lay_on_cells(values).any()


def test_masks_of_a_volume_hide_half_of_its_blocks_smoothly() -> None:
    allowed = find_allowed((100, 60, 40), (Span(0, 100), Span(-60, 60), Span(10, 20)))
    assert not allowed[:, : CELLS // 2].any() and allowed[:, CELLS // 2 :].all()
    masks = draw_masks(3, 40, allowed)
    assert (masks.sum((1, 2, 3)) == allowed.sum() // 2).all() and not masks[:, ~allowed].any()
    everywhere = np.ones((CELLS,) * 3, dtype=bool)
    whole = draw_masks(3, 40, everywhere)
    assert (draw_masks(3, 10, everywhere) == whole[:10]).all()
    for axis in (1, 2, 3):
        assert (np.diff(whole.astype(int), axis=axis) == 0).mean() > 0.75
