"""One place decides: does a place of a picture, pasted into other pictures, make them this class?

A shortcut is shown by intervention and not by the look of a map (Adebayo et al. 2022, arXiv 2212.04629). Whether a
place is *enough* is asked as copy-and-paste attacks are built (Casper et al. 2022, arXiv 2211.10024, "snafue"), and of
models that learned a patch (Rieger et al. 2020, arXiv 1909.13584): its pixels go to the same place of pictures that
the model calls something else. Beside that stands what as large a place from elsewhere in the same picture does, since
any piece of a ship may make a ship. Whether it is *needed* is asked by filling it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from explain.faithfulness.probe import CELLS
from explain.methods.occlusion import make_baseline

if TYPE_CHECKING:
    from torch import Tensor

    from explain.networks.meaning import Outputs
    from explain.passes.runner import Runner

OTHERS = 16
"""Pictures that a place is pasted into."""

FEWEST_OTHERS = 8
"""With fewer nothing is said: half of them would be a handful."""

FIRST_OTHERS = 4
"""A place that turns none of the first so many is given up: one that decides half of all does so in 6 % of cases."""

CONTROLS = 3
"""Other places of the same picture, each pasted likewise."""

HOTTEST = (4, 8)
"""Cells of a map, of 64, that make a place."""

ENOUGH = 0.5
"""The least share of pictures that a place must turn to be said to decide."""

MORE_THAN_ELSEWHERE = 0.75
"""How much larger that share must be than that of other places of the picture.

Chosen on six networks of photographs that ignore all marks (`CALIBRATION` of `benchmarks.verdict.shortcuts`, 240 maps
of each of four methods): at most 2.9 % of the maps of a method have a place that stands out so far; 0.3 would be
reached by 17 %. On networks that rely on a patch, a letter, a word or a stripe it stood out by 1.0 in 98 % of the maps.
"""

FixedPlace = Literal[
    "upper left corner",
    "upper right corner",
    "lower left corner",
    "lower right corner",
    "upper edge",
    "lower edge",
    "left edge",
    "right edge",
]

Cells = tuple[bool, ...]
"""A place, row by row, so that equal places are equal keys."""


@dataclass(frozen=True)
class Transplant:
    """What a place of a picture does to other pictures.

    Attributes:
        place: name of a fixed place; None for the hottest cells of a map.
        cells: the place.
        turned: how many pictures it makes this class.
        tried: of how many.
        elsewhere: the share that other places of the same picture, as large, turn, 0…1; None where that was not tried
            because the place turns too few itself.
        needed: filling the place changes the answer; None where that was not tried.
    """

    place: FixedPlace | None
    cells: Cells
    turned: int
    tried: int
    elsewhere: float | None = None
    needed: bool | None = None

    @property
    def enough(self) -> float:
        """The share of pictures that it turns, 0…1."""
        return self.turned / self.tried if self.tried else 0.0

    @property
    def decides(self) -> bool:
        """Whether it is said to decide."""
        return (
            self.enough >= ENOUGH and self.elsewhere is not None and self.enough - self.elsewhere >= MORE_THAN_ELSEWHERE
        )


def find_hottest(cells: np.ndarray) -> tuple[Cells, ...]:
    """The places made of a map's hottest cells; none of a map with nothing above zero.

    Args:
        cells: the map on the grid, `(CELLS, CELLS)`, at least 0; see `lay_on_cells`.
    """
    # Equal cells: the seeded jitter goes by place, so that no side of the picture is preferred.
    jitter = np.random.default_rng(0).permutation(cells.size)
    order = np.lexsort((jitter, -cells.ravel()))
    places = []
    for count in HOTTEST:
        mask = np.zeros(cells.size, dtype=bool)
        mask[order[:count]] = True
        mask &= cells.ravel() > 0
        if mask.any():
            places.append(tuple(mask.tolist()))
    return tuple(dict.fromkeys(places))


def list_fixed() -> dict[FixedPlace, Cells]:
    """Corners of four cells and edges one cell wide: where tags, frames and writing lie."""
    near, far = slice(0, 2), slice(CELLS - 2, CELLS)
    whole = slice(None)
    spans: dict[FixedPlace, tuple[slice, slice]] = {
        "upper left corner": (near, near),
        "upper right corner": (near, far),
        "lower left corner": (far, near),
        "lower right corner": (far, far),
        "upper edge": (slice(0, 1), whole),
        "lower edge": (slice(CELLS - 1, CELLS), whole),
        "left edge": (whole, slice(0, 1)),
        "right edge": (whole, slice(CELLS - 1, CELLS)),
    }
    places: dict[FixedPlace, Cells] = {}
    for name, span in spans.items():
        mask = np.zeros((CELLS, CELLS), dtype=bool)
        mask[span] = True
        places[name] = tuple(mask.ravel().tolist())
    return places


def list_elsewhere(cells: Cells, seed: int) -> tuple[Cells, ...]:
    """The same shape at other places: shifted around the edges, where it overlaps least with itself.

    Args:
        cells: the shape.
        seed: of which of those.

    Returns:
        `CONTROLS` of them, none equal to the place itself.
    """
    mask = np.array(cells).reshape(CELLS, CELLS)
    moved = {
        tuple(np.roll(mask, (down, across), (0, 1)).ravel().tolist())
        for down in range(CELLS)
        for across in range(CELLS)
    } - {cells}
    order = np.random.default_rng(seed).permutation(len(moved))
    ranked = sorted(zip(sorted(moved), order, strict=True), key=lambda one: (_overlap(one[0], cells), one[1]))
    return tuple(place for place, _ in ranked[:CONTROLS])


def _overlap(one: Cells, other: Cells) -> int:
    return sum(a and b for a, b in zip(one, other, strict=True))


def try_places(
    runner: Runner, others: Tensor, target: int, places: Mapping[Cells, FixedPlace | None], seed: int
) -> list[Transplant]:
    """Paste places of the runner's picture into other pictures, and count how many become the class.

    Each place goes into `FIRST_OTHERS` pictures first; into the others if it turned one; only then are other places
    tried, and the place filled. So most pictures cost four passes a place.

    Args:
        runner: of the network and the picture.
        others: pictures as the network is given them, `(n, C, H, W)`, none of which it calls the class.
        target: index of the class.
        places: what to paste, with the names of the fixed ones.
        seed: of the places elsewhere.

    Returns:
        One for each place, in the same order.
    """
    trial = _Trial(runner, others, target)
    first = min(FIRST_OTHERS, len(others))
    begun = trial.count([(place, range(first)) for place in places])
    hopeful = [place for place, turned in zip(places, begun, strict=True) if turned]
    more = dict(zip(hopeful, trial.count([(place, range(first, len(others))) for place in hopeful]), strict=True))
    found = [
        Transplant(name, place, turned + more.get(place, 0), len(others) if place in more else first)
        for (place, name), turned in zip(places.items(), begun, strict=True)
    ]
    enough = [one for one in found if one.enough >= ENOUGH and one.tried == len(others)]
    controls = trial.count([(place, range(len(others))) for one in enough for place in list_elsewhere(one.cells, seed)])
    needed = trial.fill([one.cells for one in enough])
    for number, one in enumerate(enough):
        turned = sum(controls[number * CONTROLS : (number + 1) * CONTROLS])
        share = turned / (CONTROLS * len(others))
        found[found.index(one)] = replace(one, elsewhere=share, needed=needed[number])
    return found


@dataclass(frozen=True, eq=False)
class _Trial:
    """Pictures with a place pasted in, run in as few batches as can be."""

    runner: Runner
    others: Tensor
    target: int

    def count(self, asked: Sequence[tuple[Cells, range]]) -> list[int]:
        """For each place and the numbers of the pictures it is pasted into, how many become the class."""
        import torch

        rows = [(place, number) for place, numbers in asked for number in numbers]
        if not rows:
            return [0 for _ in asked]
        masks = self._draw([place for place, _ in rows])
        into = torch.tensor([number for _, number in rows])

        def make(some: range) -> Tensor:
            where = masks[some.start : some.stop]
            others = self.others[into[some.start : some.stop]]
            return torch.where(where, self.runner.picture, others)

        turned = self._name(self.runner.answers(make, len(rows)))
        ends = np.cumsum([len(numbers) for _, numbers in asked])
        return [int(part.sum()) for part in np.split(turned, ends[:-1])]

    def fill(self, places: Sequence[Cells]) -> list[bool]:
        """For each place, whether the picture loses the class once it is filled with grey."""
        import torch

        if not places:
            return []
        masks = self._draw(places)
        baseline = make_baseline(self.runner.picture, "grey")
        answers = self.runner.answers(
            lambda some: torch.where(masks[some.start : some.stop], baseline, self.runner.picture), len(places)
        )
        return [not bool(named) for named in self._name(answers)]

    def _draw(self, places: Sequence[Cells]) -> Tensor:
        """Places as pixels, `(n, 1, H, W)` bool, with hard edges: what is pasted is pasted whole."""
        import torch
        from torch.nn.functional import interpolate

        cells = torch.tensor(places).reshape(-1, 1, CELLS, CELLS).float()
        return interpolate(cells, self.others.shape[2:], mode="nearest").bool().to(self.others.device)

    def _name(self, answers: Tensor) -> np.ndarray:
        return find_named(answers, self.target, self.runner.outputs)


def find_named(answers: Tensor, target: int, outputs: Outputs) -> np.ndarray:
    """Which pictures a network calls a class, `(n,)` bool.

    Args:
        answers: a score for each answer, `(n, answers)`; see `Runner.answers`.
        target: the class.
        outputs: what the scores mean. One finding is named where its probability is above a half.
    """
    named = answers[:, target] > 0 if outputs == "findings" else answers.argmax(1) == target
    found: np.ndarray = named.cpu().numpy()
    return found
