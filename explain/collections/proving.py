"""A strategy put to the test: its place is hidden in its pictures, and what that does is held against the same hole
elsewhere. So a group of maps becomes evidence, or does not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from explain.collections.gathered import Gathered
from explain.collections.reading import PictureReader
from explain.errors import Cancelled, ExplainError, PictureError
from explain.maps.mask import MaskSettings, find_mask
from explain.percent import write_decimals, write_percent

if TYPE_CHECKING:
    from explain.engine.engine import Engine

TRIED = 8
"""Pictures of a strategy that are tried."""

ABOVE = 0.5
"""The share of the mean map's highest value above which a cell belongs to the strategy's place."""

CHANCE = 0.05
"""That of 20 places, as of one that has 19 beside it, one is first by chance."""


@dataclass(frozen=True)
class Proof:
    """What hiding a strategy's place does in its pictures.

    Attributes:
        label: the explained class.
        tried: pictures that could be tried.
        standing_out: in how many no other place of the same shape does as much, under every fill.
        fall: of the class's probability (of its value, where there is none), the median over pictures.
        elsewhere: the same without the hole's like at other places.
        outside: how far it falls when the same place is hidden in other pictures of the class; None without any.
        flips: in how many the model says something else then, under one fill at least.
    """

    label: str
    tried: int
    standing_out: int
    fall: float
    elsewhere: float
    outside: float | None
    flips: int

    @property
    def chance(self) -> float:
        """That so many or more stand out by chance, 0…1: each does with a chance of `CHANCE` (binomial)."""
        n, chance = self.tried, CHANCE
        return sum(comb(n, k) * chance**k * (1 - chance) ** (n - k) for k in range(self.standing_out, n + 1))

    @property
    def shown(self) -> bool:
        """Whether it is shown that the model relies on the place."""
        return self.chance <= CHANCE and self.fall > self.elsewhere

    @property
    def sentence(self) -> str:
        """What was found."""
        others = (
            "" if self.outside is None else f", in other pictures of the class by {write_decimals(self.outside, 2)}"
        )
        found = (
            f"In {self.standing_out} of {self.tried} pictures no other place does as much (by chance: "
            f"{write_percent(CHANCE)} each, so {self.chance:.1g} for as many); in {self.flips} the answer changes."
        )
        verdict = (
            f"The model relies on this place for “{self.label}”."
            if self.shown
            else f"That the model relies on this place for “{self.label}” is not shown."
        )
        return (
            f"Hiding this place lowers “{self.label}” by {write_decimals(self.fall, 2)}, hiding as much elsewhere by "
            f"{write_decimals(self.elsewhere, 2)}{others} (medians). {found} {verdict}"
        )


def prove(
    engine: Engine,
    run: Gathered,
    reader: PictureReader,
    mean: np.ndarray,
    rows: Sequence[int],
    others: Sequence[int],
    tell: Callable[[float], None] = lambda share: None,
    cancel: threading.Event | None = None,
) -> Proof:
    """Hide a strategy's place in some of its pictures, and in others of the class.

    Args:
        engine: asks the run's model.
        run: the run.
        reader: of its pictures.
        mean: the strategy's mean map, `(h, w)`.
        rows: its pictures, those to try first in front; `TRIED` that can be read are taken.
        others: pictures of the class outside of it, in the same way.
        tell: told the share that is done, 0…1.
        cancel: stops it once set.

    Raises:
        ExplainError: the model cannot be had by its name, or no picture can be read.
    """
    if run.manifest.model.source not in ("bundled", "hub", "prompts"):
        raise ExplainError("The model of this run came from a file. Test its strategies where the file is.")
    inside = _hide(engine, run, reader, mean, rows, (lambda share: tell(0.7 * share), cancel))
    if not inside:
        raise PictureError("None of these pictures can be read where the run found them, so nothing can be hidden.")
    outside = _hide(engine, run, reader, mean, others, (lambda share: tell(0.7 + 0.3 * share), cancel))
    return Proof(
        label=str(run.read_rows([rows[0]])[0]["target"]),
        tried=len(inside),
        standing_out=sum(one.stands_out for one in inside),
        fall=float(np.median([one.fall for one in inside])),
        elsewhere=float(np.median([one.elsewhere for one in inside])),
        outside=float(np.median([one.fall for one in outside])) if outside else None,
        flips=sum(one.flips for one in inside),
    )


@dataclass(frozen=True)
class _Trial:
    stands_out: bool
    fall: float
    elsewhere: float
    flips: bool


def _hide(
    engine: Engine,
    run: Gathered,
    reader: PictureReader,
    mean: np.ndarray,
    rows: Sequence[int],
    watch: tuple[Callable[[float], None], threading.Event | None],
) -> list[_Trial]:
    """What hiding the place does in up to `TRIED` of some pictures."""
    tell, cancel = watch
    trials: list[_Trial] = []
    method = run.methods[0]
    for row in rows:
        if len(trials) == TRIED:
            break
        if cancel is not None and cancel.is_set():
            raise Cancelled("Stopped. Nothing was changed.")
        kept = run.read_maps([row], method).get(row)
        if kept is None:
            continue
        try:
            picture = reader.open(row)
        except PictureError:
            continue
        place = find_mask(mean, kept.box, picture.size, MaskSettings(share=ABOVE)).enlarge()
        target = str(run.read_rows([row])[0]["target"])
        effect = engine.measure_effects(
            picture, run.manifest.model, {"place": place}, run.manifest.labels.index(target), cancel=cancel
        ).regions[0]
        change = effect.score if effect.probability is None else effect.probability
        elsewhere = float(np.median(change.places)) if len(change.places) else 0.0
        trials.append(_Trial(effect.score.stands_out, float(change.removal.mean()), elsewhere, bool(effect.flips)))
        tell(len(trials) / TRIED)
    return trials
