"""One place decides: does a place of a picture, pasted into other pictures, make them this class?

A shortcut is shown by intervention and not by the look of a map (Adebayo et al. 2022, arXiv 2212.04629). Whether a
place is *enough* is asked as copy-and-paste attacks are built (Casper et al. 2022, arXiv 2211.10024, "snafue"), and of
models that learned a patch (Rieger et al. 2020, arXiv 1909.13584): its pixels go to the same place of pictures that
the model calls something else. Beside that stands what places as large from elsewhere in the same picture do, since any
piece of a ship may make a ship. Whether it is *needed* is asked by filling it.

The places are the same for all maps: a bank, tried once for a picture, a model and a class, from which the mark on any
map is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
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

FIRST_OTHERS = 3
"""Pictures that all places are pasted into first."""

WORTH_MORE = 4.0
"""How far a place that turns one of those must stand out, for it to be pasted into the others; and where it turns
enough of them, all other places as well. Of 50 photographs shown to `photo-cnn`, three in four went no further, and two
to the end.
"""

ENOUGH = 0.5
"""The least share of pictures that a place must turn to be said to decide."""

STANDS_OUT = 4.75
"""How far it must stand out at least; see `Transplant.stands_out`.

Chosen with `FIRST_OTHERS` and `WORTH_MORE` on the networks of `CALIBRATION` in `benchmarks.verdict.shortcuts`, 30
pictures each: of networks that ignore all marks a place was said to decide in 1.9 % of pictures (at 4.5: 3.1 %); of
those that rely on a patch, a letter, a word or a stripe in all, and on a tag in 97 %. A bound on the share of
pictures turned, 0.75 more than by places beside it, missed a quarter of those of a network less sure of its tag.
"""

HOTTEST = 8
"""Cells of a map, of 64, that count as marked by it."""

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

_SIDE = 3  # cells of a square of the bank
_STARTS = (0, 2, 4, 5)  # of squares, along each side: whatever is two cells wide lies in one of them
_LEAST_SPREAD = 0.05  # of how far the class lags in other pictures: less is no difference between places


@dataclass(frozen=True)
class Transplant:
    """What a place of a picture does to other pictures.

    Attributes:
        place: name of a corner or an edge; None for another square.
        cells: the place.
        turned: how many pictures it makes this class.
        tried: of how many.
        stands_out: how much further it lifts the class above the likeliest other one, on average over those pictures,
            than places do that it does not overlap, in units of the spread among these.
        needed: filling the place changes the answer; None where that was not tried.
    """

    place: FixedPlace | None
    cells: Cells
    turned: int
    tried: int
    stands_out: float = 0.0
    needed: bool | None = None

    @property
    def enough(self) -> float:
        """The share of pictures that it turns, 0…1."""
        return self.turned / self.tried if self.tried else 0.0

    @property
    def decides(self) -> bool:
        """Whether it is said to decide."""
        return self.tried >= FEWEST_OTHERS and self.enough >= ENOUGH and self.stands_out >= STANDS_OUT


def find_hottest(cells: np.ndarray) -> frozenset[int]:
    """The numbers of a map's hottest cells, of those above zero.

    Args:
        cells: the map on the grid, `(CELLS, CELLS)`, at least 0; see `lay_on_cells`.
    """
    # Equal cells: the seeded jitter goes by place, so that no side of the picture is preferred.
    jitter = np.random.default_rng(0).permutation(cells.size)
    order = np.lexsort((jitter, -cells.ravel()))[:HOTTEST]
    return frozenset(int(place) for place in order if cells.ravel()[place] > 0)


@cache
def list_places() -> tuple[tuple[Cells, FixedPlace | None], ...]:
    """The bank: squares all over the picture and edges one cell wide, about as large, with the names of those where
    tags, frames and writing lie. Whatever is no wider than two cells lies within one of them.
    """
    rows: dict[int, str] = {0: "upper", _STARTS[-1]: "lower"}
    columns: dict[int, str] = {0: "left", _STARTS[-1]: "right"}
    spans: list[tuple[str, slice, slice]] = [
        (
            f"{rows[top]} {columns[left]} corner" if top in rows and left in columns else "",
            slice(top, top + _SIDE),
            slice(left, left + _SIDE),
        )
        for top in _STARTS
        for left in _STARTS
    ]
    whole, first, last = slice(None), slice(0, 1), slice(CELLS - 1, CELLS)
    spans += [("upper edge", first, whole), ("lower edge", last, whole)]
    spans += [("left edge", whole, first), ("right edge", whole, last)]
    places: list[tuple[Cells, FixedPlace | None]] = []
    for name, down, across in spans:
        mask = np.zeros((CELLS, CELLS), dtype=bool)
        mask[down, across] = True
        places.append((tuple(mask.ravel().tolist()), name or None))  # type: ignore[arg-type]
    return tuple(places)


@cache
def _find_apart() -> np.ndarray:
    """Which places of the bank have no cell in common, `(n, n)` bool."""
    masks = np.array([cells for cells, _ in list_places()])
    apart: np.ndarray = ~(masks[:, None] & masks[None]).any(2)
    return apart


def try_places(runner: Runner, others: Tensor, lags: np.ndarray, target: int) -> tuple[Transplant, ...]:
    """Paste the places of the bank from the runner's picture into other pictures, and see how many become the class.

    Args:
        runner: of the network and the picture.
        others: pictures as the network is given them, `(n, C, H, W)`, none of which it calls the class.
        lags: what the network makes of the class in each of those, `(n,)`; see `find_leads`.
        target: index of the class.

    Returns:
        One for each place, in the order of `list_places`.
    """
    trial = _Trial(runner, others, target)
    first, count = min(FIRST_OTHERS, len(others)), len(others)
    leads = np.full((len(list_places()), count), np.nan)
    leads[:, :first] = trial.paste(range(len(leads)), range(first))
    found = _weigh(leads[:, :first], lags[:first])
    hopeful = [n for n, one in enumerate(found) if one.enough >= ENOUGH / 2 and one.stands_out >= WORTH_MORE]
    leads[hopeful, first:] = trial.paste(hopeful, range(first, count))
    if all((leads[number] > 0).mean() < ENOUGH for number in hopeful):
        return found
    missing = np.flatnonzero(np.isnan(leads).any(1)).tolist()
    leads[missing, first:] = trial.paste(missing, range(first, count))
    found = _weigh(leads, lags)
    deciding = [one.cells for one in found if one.decides]
    needed = dict(zip(deciding, trial.fill(deciding), strict=True))
    return tuple(replace(one, needed=needed.get(one.cells)) for one in found)


def _weigh(leads: np.ndarray, lags: np.ndarray) -> tuple[Transplant, ...]:
    """What each place does, from the leads of the class in pictures `(places, n)`, and what they were before `(n,)`."""
    lifted = leads.mean(1)
    least = _LEAST_SPREAD * float(-lags.mean())
    found = []
    for number, (cells, name) in enumerate(list_places()):
        others = lifted[_find_apart()[number]]
        stands_out = (lifted[number] - others.mean()) / max(float(others.std()), least, 1e-12)
        turned = int((leads[number] > 0).sum())
        found.append(Transplant(name, cells, turned, leads.shape[1], float(stands_out)))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Trial:
    """Pictures with a place pasted in, run in as few batches as can be."""

    runner: Runner
    others: Tensor
    target: int

    def paste(self, places: Sequence[int], numbers: range) -> np.ndarray:
        """The leads of the class in pictures of these numbers, with each of these places of the bank pasted in,
        `(places, numbers)`.
        """
        import torch

        if not places:
            return np.empty((0, len(numbers)))
        masks = self._draw([list_places()[place][0] for place in places])

        def make(some: range) -> Tensor:
            rows = [divmod(row, len(numbers)) for row in some]
            where = masks[[place for place, _ in rows]]
            return torch.where(where, self.runner.picture, self.others[[numbers[number] for _, number in rows]])

        answers = self.runner.answers(make, len(places) * len(numbers))
        return find_leads(answers, self.target, self.runner.outputs).reshape(len(places), len(numbers))

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
        leads = find_leads(answers, self.target, self.runner.outputs)
        return [not bool(lead > 0) for lead in leads]

    def _draw(self, places: Sequence[Cells]) -> Tensor:
        """Places as pixels, `(n, 1, H, W)` bool, with hard edges: what is pasted is pasted whole."""
        import torch
        from torch.nn.functional import interpolate

        cells = torch.tensor(places).reshape(-1, 1, CELLS, CELLS).float()
        return interpolate(cells, self.others.shape[2:], mode="nearest").bool().to(self.others.device)


def find_leads(answers: Tensor, target: int, outputs: Outputs) -> np.ndarray:
    """How far a class is ahead of the likeliest other one, `(n,)` float64; a picture is called the class where that is
    above 0.

    Args:
        answers: a score for each answer, `(n, answers)`; see `Runner.answers`.
        target: the class.
        outputs: what the scores mean. One finding is named where its probability is above a half: its score leads.
    """
    scores = answers.cpu().double().numpy()
    own = scores[:, target]
    if outputs == "findings":
        return own
    leads: np.ndarray = own - np.delete(scores, target, axis=1).max(1, initial=-np.inf)
    return leads
