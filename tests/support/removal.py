"""What measures are examined with: a network one can read, and what it answers to changed pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch

from explain.faithfulness.changes import apply
from explain.faithfulness.measures import Examined, Measure

SIDE = 8
"""Pixels of the pictures, and cells of the maps: each cell is a pixel, and its edges are sharp."""

Network = Callable[[np.ndarray], float]
"""From a picture `(SIDE, SIDE, 3)` to the probability of the class."""


def build_examined(seed: int, holes: int = 0) -> Examined:
    """A random map with some ties; of `holes` columns nothing may be hidden."""
    dice = np.random.default_rng(seed)
    cells = np.round(dice.random((SIDE, SIDE)) ** 2, 1)
    allowed = np.ones((SIDE, SIDE), dtype=bool)
    allowed[:, :holes] = False
    return Examined(cells, (cells / cells.max()).astype(np.float32), allowed, seed)


def build_network(seed: int) -> Network:
    """A probability by which pixels speak for and against the class, and pairs of neighbours too."""
    weights = np.random.default_rng(1000 + seed).standard_normal((SIDE, SIDE, 3)) / 4

    def run(picture: np.ndarray) -> float:
        score = (weights * picture).sum() + 0.3 * (picture[1:] * picture[:-1]).mean()
        return float(1 / (1 + np.exp(-score)))

    return run


def build_picture(seed: int) -> np.ndarray:
    """A picture, `(SIDE, SIDE, 3)` float32."""
    return np.random.default_rng(2000 + seed).standard_normal((SIDE, SIDE, 3)).astype(np.float32)


def measure(measured: Measure, examined: Examined, picture: np.ndarray, network: Network) -> float:
    """The figure of a map, as an engine would come by it."""
    shown = torch.from_numpy(picture).permute(2, 0, 1)[None]
    answers = []
    for changes in measured.asks(examined):
        versions = apply(shown, changes, examined.seed).permute(0, 2, 3, 1).numpy()
        answers.append(np.array([network(version) for version in versions]))
    return measured.function(examined, *answers)


def sort_cells(examined: Examined) -> list[tuple[int, int]]:
    """The cells that may be hidden, the highest first, equal ones by the lot that is drawn for the picture."""
    lot = np.random.default_rng(examined.seed).permutation(SIDE * SIDE)
    places = [(row, column) for row in range(SIDE) for column in range(SIDE) if examined.allowed[row, column]]
    return sorted(places, key=lambda at: (-examined.cells[at], lot[at[0] * SIDE + at[1]]))


def blur(picture: np.ndarray) -> np.ndarray:
    """The mean of 4 × 4 parts, drawn out between their middles."""
    coarse = picture.reshape(4, SIDE // 4, 4, SIDE // 4, 3).mean((1, 3))
    out = np.empty_like(picture)
    for row in range(SIDE):
        for column in range(SIDE):
            places = [min(max((at + 0.5) / 2 - 0.5, 0), 3) for at in (row, column)]
            total = np.zeros(3)
            for i in range(4):
                for j in range(4):
                    share = max(0, 1 - abs(places[0] - i)) * max(0, 1 - abs(places[1] - j))
                    total += share * coarse[i, j]
            out[row, column] = total
    return out


def run_curve(
    examined: Examined, picture: np.ndarray, filling: np.ndarray, network: Network, order: Sequence[tuple[int, int]]
) -> list[tuple[float, float]]:
    """Share hidden and probability, as cells are filled in that order in eight parts, from none to all."""
    points = []
    for step in range(9):
        count = int(np.floor(step / 8 * len(order) + 0.5))
        changed = picture.copy()
        for at in order[:count]:
            changed[at] = filling[at]
        points.append((count / len(order), network(changed)))
    return points


def add_trapezoids(points: Sequence[tuple[float, float]]) -> float:
    """The area under the points."""
    return sum((right - left) * (low + high) / 2 for (left, low), (right, high) in pairwise(points))
