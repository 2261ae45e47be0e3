"""The filling of holes beside a system of equations that is written out."""

import cv2
import numpy as np
import pytest

from explain.faithfulness import imputation
from explain.faithfulness.imputation import fill_hole
from explain.faithfulness.probe import draw_masks


def solve(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Each missing pixel is the mean of its neighbours, 1/6 for those beside it and 1/12 across a corner, as far as
    they are on the picture.
    """
    height, width, _ = picture.shape
    places = [(row, column) for row in range(height) for column in range(width) if hole[row, column]]
    numbers = {place: number for number, place in enumerate(places)}
    left, right = np.zeros((len(places), len(places))), np.zeros((len(places), picture.shape[2]))
    for (row, column), number in numbers.items():
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                at = row + down, column + across
                if (down, across) == (0, 0) or not (0 <= at[0] < height and 0 <= at[1] < width):
                    continue
                weight = 1 / 12 if down and across else 1 / 6
                left[number, number] += weight
                if at in numbers:
                    left[number, numbers[at]] -= weight
                else:
                    right[number] += weight * picture[at]
    filled = picture.copy()
    for place, values in zip(places, np.linalg.solve(left, right), strict=True):
        filled[place] = values
    return filled


@pytest.mark.parametrize(("height", "width"), [(8, 8), (24, 31), (33, 20), (32, 32)])
def test_it_solves_the_equations(height: int, width: int) -> None:
    dice = np.random.default_rng(height)
    picture = dice.standard_normal((height, width, 3)).astype(np.float32)
    for seed in range(3):
        mask = draw_masks(seed, 1)[0]
        hole = mask[np.arange(height) * 8 // height][:, np.arange(width) * 8 // width]
        found = fill_hole(picture, hole, tolerance=1e-6)
        assert np.abs(found - solve(picture, hole)).max() < 3e-5
        assert (found[~hole] == picture[~hole]).all()


@pytest.mark.parametrize("side", [64, 128])
def test_holes_of_whole_cells_are_filled_in_few_cycles(monkeypatch: pytest.MonkeyPatch, side: int) -> None:
    """Their edges lie between the same pixels on every coarser picture, so that whole steps went further each time."""
    monkeypatch.setattr(imputation, "_MOST_CYCLES", 8)
    dice = np.random.default_rng(side)
    picture = cv2.GaussianBlur(dice.standard_normal((side, side, 3)).astype(np.float32), (0, 0), 2)
    for share in (0.5, 0.9):
        cells = dice.permutation(64) < 64 * share
        hole = cells.reshape(8, 8).repeat(side // 8, 0).repeat(side // 8, 1)
        away = np.abs(fill_hole(picture, hole) - fill_hole(picture, hole, tolerance=1e-5))
        assert away.max() < 0.1 * picture.std()
        assert np.abs(fill_hole(picture, hole)).max() <= np.abs(picture[~hole]).max()


def test_one_channel_and_nothing_but_hole() -> None:
    picture = np.random.default_rng(0).standard_normal((16, 16, 1)).astype(np.float32)
    hole = np.zeros((16, 16), dtype=bool)
    assert (fill_hole(picture, hole) == picture).all()
    hole[2:9, 3:12] = True
    assert np.abs(fill_hole(picture, hole, tolerance=1e-6) - solve(picture, hole)).max() < 3e-5
    assert not fill_hole(picture, hole | True).any()
