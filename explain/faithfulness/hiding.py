"""The hiding correlation: does the score fall with how much of a map is hidden, more than it does for other maps?

The measure is faithfulness correlation (Bhatt, Weller and Moura, "Evaluating and Aggregating Feature-based Model
Explanations", IJCAI 2020, arXiv 2005.00631, definition 3), with masks of half the picture in place of single pixels.
What makes it a test are comparison maps: the map itself, moved, which has its very values and smoothness (as in spin
tests of brain maps; Burt et al. 2020, doi 10.1016/j.neuroimage.2020.117038), and the same method's maps of other
pictures, which lie where subjects lie. Neither needs a pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations, product

import numpy as np

from explain.faithfulness.bank import Bank
from explain.faithfulness.probe import CELLS

_STEP = 2  # cells from shift to shift of a volume's map: all shifts would be eight times as many


@dataclass(frozen=True, eq=False)
class Hiding:
    """What hiding says of one map.

    Attributes:
        value: the hiding correlation, -1…1; NaN for a map without anything above zero, or where no mask moved
            the score.
        moved: that of moved copies of the map, `(511,)`, or fewer where the input is no square; of a volume see `move`.
        others: that of maps of other pictures, `(n,)`.
        masks: how many masks it rests on.
    """

    value: float
    moved: np.ndarray
    others: np.ndarray
    masks: int

    @property
    def chance_moved(self) -> float:
        """Share of moved copies, the map among them, that do as well or better: the p-value, 0…1."""
        return find_chance(self.value, self.moved)

    @property
    def chance_others(self) -> float:
        """The same among other pictures' maps; 1 where there are none."""
        return find_chance(self.value, self.others)

    @property
    def chance_worse(self) -> float:
        """Share of moved copies, the map among them, that do as badly or worse."""
        return find_chance(-self.value, -self.moved)


def find_chance(value: float, others: np.ndarray) -> float:
    """The share of comparison values, the value itself among them, that reach it. It is never 0: of 39 comparisons the
    least is 1 in 40 (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 4.2).
    """
    return float((1 + (others >= value).sum()) / (1 + len(others)))


def judge_by_hiding(
    cells: np.ndarray,
    others: np.ndarray,
    banks: Sequence[Bank],
    target: int,
    sides: Sequence[int] | None = None,
    apart: bool = False,
) -> Hiding:
    """The hiding correlation of a map, and of what it is compared with.

    Args:
        cells: the map on the grid, `(CELLS, CELLS)`, of a volume with a third axis, at least 0; see `lay_on_cells`.
        others: maps of other pictures, `(n, CELLS, CELLS)`, or of other volumes.
        banks: of the picture, under one or several fills.
        target: the explained class.
        sides: of the model's input; see `move`.
        apart: see `correlate`.
    """
    moved = move(cells, sides)
    values = correlate(np.concatenate([cells[None], moved, others]), banks, target, apart)
    masks = sum(len(bank.masks) for bank in banks)
    return Hiding(float(values[0]), values[1 : 1 + len(moved)], values[1 + len(moved) :], masks)


def correlate(maps: np.ndarray, banks: Sequence[Bank], target: int, apart: bool = False) -> np.ndarray:
    """Pearson's correlation over masks of the share of a map that is hidden and the fall of the score. Under several
    fills it is that of all masks, the falls under each fill in units of their own spread there.

    Args:
        maps: `(n, CELLS, CELLS)`, of volumes with a third axis, at least 0.
        banks: of the picture, under one or several fills.
        target: the class.
        apart: the score falls beyond what all scores fall on average, see `Bank.find_falls_apart`.

    Returns:
        `(n,)`, -1…1; NaN where one of both is the same under every mask.
    """
    masks = np.concatenate([bank.masks.reshape(len(bank.masks), -1) for bank in banks])
    flat = maps.reshape(len(maps), -1)
    shares = flat @ masks.T.astype(np.float64)
    falls = np.concatenate(
        [_scale(bank.find_falls_apart(target) if apart else bank.find_falls(target)) for bank in banks]
    )
    shares = shares - shares.mean(1, keepdims=True)
    spread, fell = np.sqrt((shares**2).sum(1)), np.sqrt((falls**2).sum())
    # What is left of equal numbers after rounding is no spread.
    still = (spread <= 1e-12 * np.maximum(flat.sum(1), 1e-300)) | (fell == 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        values: np.ndarray = np.where(still, np.nan, (shares @ falls) / (spread * fell))
    return values


def _scale(falls: np.ndarray) -> np.ndarray:
    """Falls about their mean, of spread 1; all 0 where they do not differ."""
    falls = falls - falls.mean()
    spread = falls.std()
    return falls / spread if spread > 1e-6 / np.sqrt(len(falls)) else np.zeros_like(falls)


def move(cells: np.ndarray, sides: Sequence[int] | None = None) -> np.ndarray:
    """A map in all other places: each of its turns and mirror images, shifted by each number of cells around the edges;
    of a volume by each even number, which are moves enough.

    Args:
        cells: `(CELLS, CELLS)`, or `(CELLS, CELLS, CELLS)` of a volume.
        sides: of the model's input, along the same axes. Only axes of one length change places: else a quarter turn
            would change the map's shape. Left out, all are of one length.

    Returns:
        `(511, CELLS, CELLS)`, or 255; of a volume 3,071, 1,023 or 511. Never the map as it is.
    """
    alike = tuple((sides or cells.shape).index(side) for side in (sides or cells.shape))
    moved: np.ndarray = cells.ravel()[_list_moves(alike)].reshape(-1, *cells.shape)
    return moved


@cache
def _list_moves(alike: tuple[int, ...]) -> np.ndarray:
    """Which cell comes to lie where in each move, `(moves, cells)`.

    Args:
        alike: for each axis, the first of its length.
    """
    axes = len(alike)
    places = np.arange(CELLS**axes).reshape((CELLS,) * axes)
    images = [
        np.flip(places.transpose(order), tuple(axis for axis, turned in enumerate(turns) if turned))
        for order in permutations(range(axes))
        if all(alike[order[axis]] == alike[axis] for axis in range(axes))
        for turns in product((False, True), repeat=axes)
    ]
    shifts = [*product(range(0, CELLS, 1 if axes == 2 else _STEP), repeat=axes)]
    moves = [np.roll(image, shift, tuple(range(axes))).ravel() for image in images for shift in shifts]
    return np.stack(moves[1:])
