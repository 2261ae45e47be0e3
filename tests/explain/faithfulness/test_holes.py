"""Holes in what a model sees: where they lie, the same at other places, and what fills them."""

import numpy as np
import pytest
import torch

from explain.errors import PictureError
from explain.faithfulness.effects import FILLS
from explain.faithfulness.holes import (
    Filler,
    cut_grid,
    find_controls,
    find_seen,
    lay_on_input,
    open_hole,
)
from explain.pictures.geometry import Preprocessing, find_box, prepare
from explain.pictures.picture import build_picture

SIZE = (48, 64)
PREPROCESSING = Preprocessing(input_size=(24, 24))
BOX = find_box(SIZE, PREPROCESSING)


def make_picture(seed: int = 0, size: tuple[int, int] = SIZE):
    return build_picture(
        "noise", np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8), "0" * 64, ()
    )


def test_a_region_is_where_the_model_sees_it() -> None:
    # The middle square of 48×64 pixels: two of them a pixel of the input, 8 to the left are not seen.
    hole = open_hole("box", (16, 12, 24, 20), SIZE, BOX, (24, 24))
    rows, columns = np.nonzero(hole)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (6, 9, 4, 7) and hole.sum() == 16
    assert find_seen(SIZE, BOX, (24, 24)).all()


def test_padding_is_no_picture() -> None:
    padded = Preprocessing(input_size=(24, 24), fit="pad")
    seen = find_seen(SIZE, find_box(SIZE, padded), (24, 24))
    assert seen[3:21].all() and not seen[:3].any() and not seen[21:].any()


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ((0, 0, 7, 48), "saw nothing"),
        ((30, 20, 30.6, 20.6), "saw nothing"),
        ((8, 0, 56, 48), "all that the model saw"),
        ((-9, -9, 99, 99), "all that the model saw"),
        ((90, 90, 99, 99), "holds no pixel"),
        ((1, 2, 3), "A region is a rectangle"),
    ],
)
def test_what_cannot_be_taken_away_is_said(region: tuple[float, ...], said: str) -> None:
    with pytest.raises(PictureError, match=said):
        open_hole("box", region, SIZE, BOX, (24, 24))


def test_controls_are_the_same_hole_elsewhere() -> None:
    hole = np.zeros((48, 48), dtype=bool)
    hole[4:12, 6:16] = True
    hole[4, 6] = False
    seen = np.ones_like(hole)
    seen[:, 40:] = False
    controls = find_controls(hole, seen, 3)
    assert len(controls) == 19 and len({one.tobytes() for one in controls}) == 19
    for one in controls:
        assert one.sum() == hole.sum() and not one[:, 40:].any()
        assert (one & hole).sum() < hole.sum() / 4
        rows, columns = np.nonzero(one)
        top, left = rows.min() - 4, columns.min() - 6
        assert (np.roll(hole, (top, left), (0, 1)) == one).all()
    assert (find_controls(hole, seen, 3) == controls).all()
    hole[:40, :36] = True
    assert len(find_controls(hole, seen, 3)) == 0


def test_outside_a_hole_the_input_stays_bit_for_bit() -> None:
    picture = prepare(make_picture(), PREPROCESSING).tensor
    filler = Filler(picture, PREPROCESSING, 1)
    hole = np.zeros((24, 24), dtype=bool)
    hole[2:7, 3:9] = hole[15:20, 14:20] = True
    for how, one in zip(FILLS, filler.fill([(how, hole) for how in FILLS]), strict=True):
        changed = (one != picture[0]).any(0).numpy()
        assert not changed[~hole].any() and changed[hole].mean() > 0.8, how
    assert (filler.fill([("blur", np.zeros_like(hole))]) == picture).all()


def test_holes_apart_are_filled_each_from_around_itself() -> None:
    pixels = np.zeros((24, 24, 3), dtype=np.uint8)
    pixels[:, 12:] = 200
    picture = prepare(build_picture("halves", pixels, "0" * 64, ()), PREPROCESSING).tensor
    left, right = np.zeros((2, 24, 24), dtype=bool)
    left[8:12, 2:5] = right[8:12, 19:22] = True
    filler = Filler(picture, PREPROCESSING, 1)
    for how in FILLS:  # the surroundings are of one colour, and so is what fills
        assert torch.allclose(filler.fill([(how, left | right)]), picture, atol=1e-5), how


def test_with_nothing_left_it_is_the_mean_colour() -> None:
    picture = prepare(make_picture(), PREPROCESSING).tensor
    mean = picture.mean((2, 3), keepdim=True)
    filler = Filler(picture, PREPROCESSING, 1)
    whole = np.ones((24, 24), dtype=bool)
    for how in ("surroundings", "inpaint", "noise"):
        assert torch.allclose(filler.fill([(how, whole)]), mean.expand_as(picture), atol=0.02), how


def test_a_grid_covers_what_is_seen_once() -> None:
    cells = cut_grid(SIZE, BOX, 3)
    assert len(cells) == 9 and [*cells][1] == "row 1, column 2"
    covered = np.sum([*cells.values()], 0)
    assert (covered[:, 8:56] == 1).all() and covered[:, :8].sum() == covered[:, 56:].sum() == 0
    laid = [lay_on_input(cell, BOX, (24, 24)) for cell in cells.values()]
    assert (np.sum(laid, 0) == 1).all() and {int(one.sum()) for one in laid} == {64}
    with pytest.raises(PictureError, match="2 to 4"):
        cut_grid(SIZE, BOX, 5)
