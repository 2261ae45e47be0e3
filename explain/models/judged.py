"""How often class prompts were right, in counts, and the words in which that is said wherever it is said.

Importing this does not import torch.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

Manner = Literal["folds", "aside", "own", "chosen"]

FEWEST_FOR_A_FIGURE = 30
"""Pictures of each class below which a percentage says more than is known."""

_TAIL = 0.025
_HALVINGS = 50
_NARROW = 10.0  # an interval of less takes a decimal

_MANNERS: dict[Manner, str] = {
    "folds": "Each picture was named once, by prompts that had not learnt from it: the set was dealt into {folds} "
    "folds, and each was left out in turn. Nothing was chosen on the pictures that were left out.",
    "aside": "They were set aside before the training and named once, at its end. Nothing was chosen on them.",
    "own": "They are the set's own validation pictures, named once, at the end of the training. Nothing was chosen on "
    "them.",
    "chosen": "The epoch whose prompts are kept was picked on these very pictures, so the figure is too good.",
}


class Judged(BaseModel):
    """How class prompts named pictures that they had not learnt from.

    Attributes:
        right: of each class's pictures, how many were named rightly.
        pictures: how many there were.
        manner: how they were kept apart: in folds, set aside by a draw, as the set's own validation pictures; or
            `chosen`, where the epoch was picked on them, as it was before CAMscope judged on others.
        folds: how many, for `folds`.
        groups: of pictures that belong together, such as a patient's, where they were told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    right: tuple[int, ...] = Field(min_length=1)
    pictures: tuple[int, ...]
    manner: Manner
    folds: int = Field(0, ge=0)
    groups: int | None = None

    @model_validator(mode="after")
    def _check(self) -> Judged:
        pairs = zip(self.right, self.pictures, strict=False)
        if len(self.right) != len(self.pictures) or any(not 0 <= right <= total for right, total in pairs):
            raise ValueError("of each class at most as many are right as there are")
        return self

    @property
    def is_enough(self) -> bool:
        """Whether every class has enough pictures for a percentage to mean something."""
        return min(self.pictures) >= FEWEST_FOR_A_FIGURE

    def describe(self) -> str:
        """What is known, in one phrase: counts and an interval, and a percentage where there are enough pictures."""
        right, total = sum(self.right), sum(self.pictures)
        if self.is_enough:
            return f"{say_share(right, total)} right: {right:,} of {total:,} pictures ({say_interval(right, total)})"
        return f"{right:,} of {total:,} right ({say_interval(right, total)}); too few to say"

    def list_notes(self) -> list[str]:
        """What must be known to believe it: how the pictures were kept apart, and whether it may be guessing."""
        right, total = sum(self.right), sum(self.pictures)
        notes = [_MANNERS[self.manner].format(folds=self.folds)]
        commonest = max(self.pictures)
        if total and find_interval(right, total)[0] <= commonest / total:
            notes.append(
                f"Calling every picture by the commonest class would be right for {commonest:,} of {total:,}, which is "
                "in the interval: this may be no better than guessing."
            )
        if self.groups is not None:
            notes.append(f"The {self.groups:,} groups of pictures that belong together were never parted.")
            if self.groups < total:
                notes.append(
                    "The interval takes every picture as another group's, so it is narrower than it should be."
                )
        return notes


@cache
def find_interval(right: int, total: int) -> tuple[float, float]:
    """Between which shares, 0…1, the true one lies with 95 % confidence, where `right` of `total` were right.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26 (1934). The lower limit is the share at which so many or more are right in 2.5 % of all draws, the
    upper one that at which so many or fewer are. It is never too narrow, also for few pictures.
    """
    if total == 0:
        return 0.0, 1.0
    low = _solve(right, total) if right else 0.0
    return low, 1 - _solve(total - right, total) if right < total else 1.0


def _solve(count: int, total: int) -> float:
    """The share at which `count` of `total` or more come in 2.5 % of all draws."""
    places = np.arange(count, total + 1)
    steps = np.log(np.arange(total, 0, -1)) - np.log(np.arange(1, total + 1))
    ways = np.concatenate([[0.0], np.cumsum(steps)])[places]
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        tail = np.exp(ways + places * np.log(middle) + (total - places) * np.log1p(-middle)).sum()
        low, high = (middle, high) if tail < _TAIL else (low, middle)
    return (low + high) / 2


def say_interval(right: int, total: int) -> str:
    """The interval in words, as `95 % interval 40–100 %`."""
    return f"95 % interval {say_limits(right, total)}"


def say_limits(right: int, total: int) -> str:
    """The interval's limits, as `40–100 %`."""
    low, high = (100 * share for share in find_interval(right, total))
    digits = 1 if high - low < _NARROW and high < 100 else 0
    return f"{low:.{digits}f}–{high:.{digits}f} %"


def say_share(right: int, total: int) -> str:
    """A share in per cent, never rounded up to all nor down to none."""
    share = 100 * right / total
    rounded = f"{share:.1f}"
    if rounded == "100.0" and right < total:
        return f"{share:.3f} %"
    return f"{rounded} %"
