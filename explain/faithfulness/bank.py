"""A bank of masked passes: a picture with parts of it hidden, run once, by which any number of maps is judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from explain.faithfulness.probe import draw_masks
from explain.methods.occlusion import Fill, make_baseline
from explain.methods.space import enlarge

if TYPE_CHECKING:
    from torch import Tensor

    from explain.passes.look import PassPrecision
    from explain.passes.runner import Runner


@dataclass(frozen=True, eq=False)
class Bank:
    """What a network answers to one picture as parts of it are hidden.

    Attributes:
        fill: what stands in for what is hidden.
        masks: `(M, CELLS, CELLS)` bool, of a volume with a third axis, True where a cell is hidden.
        answers: a score for each answer of the network, for each mask, `(M, answers)` float64.
        whole: the same for the picture with nothing hidden, `(answers,)`.
        hidden: the same with everything hidden.
    """

    fill: Fill
    masks: np.ndarray
    answers: np.ndarray
    whole: np.ndarray
    hidden: np.ndarray

    def first(self, count: int) -> Bank:
        """The bank of the first so many masks."""
        return (
            self if count == len(self.masks) else replace(self, masks=self.masks[:count], answers=self.answers[:count])
        )

    def find_falls(self, target: int) -> np.ndarray:
        """How far the score of an answer falls under each mask, `(M,)`."""
        falls: np.ndarray = self.whole[target] - self.answers[:, target]
        return falls

    def find_falls_apart(self, target: int) -> np.ndarray:
        """How far the score of an answer falls beyond what all scores fall on average, under each mask, `(M,)`. Of
        classes that exclude each other only the differences of scores mean anything.
        """
        means = self.whole.mean() - self.answers.mean(1)
        falls: np.ndarray = self.find_falls(target) - means
        return falls


def fill_bank(
    runner: Runner,
    seed: int,
    count: int,
    fill: Fill,
    allowed: np.ndarray,
    start: Bank | None = None,
    precision: PassPrecision = "full",
) -> Bank:
    """Run the network under masks, and once with all and with nothing hidden: `count + 2` passes.

    Masks have soft edges, one cell wide, so that their own outline is no edge that a network answers to.

    Args:
        runner: of the network and the picture. Its class and layer do not matter.
        seed: of the masks.
        count: how many masks there are in the end.
        fill: what stands in for what is hidden.
        allowed: the cells that may be hidden, see `find_allowed`.
        start: a bank of the same with fewer masks, whose passes are not run again.
        precision: of the passes that are run now.
    """
    import torch

    masks = draw_masks(seed, count, allowed)
    done = 0 if start is None else len(start.masks)
    shown = [masks[done:]]
    if start is None:
        shown += [np.zeros_like(allowed)[None], allowed[None]]
    cells = torch.from_numpy(np.concatenate(shown))
    baseline = make_baseline(runner.picture, fill)

    def make(rows: range) -> Tensor:
        return hide(runner.picture, baseline, cells[rows.start : rows.stop])

    answers = runner.answers(make, len(cells), precision).cpu().double().numpy()
    if start is not None:
        return Bank(fill, masks, np.concatenate([start.answers, answers]), start.whole, start.hidden)
    return Bank(fill, masks, answers[:-2], answers[-2], answers[-1])


SAME = 0.999
"""The least correlation of scores in both precisions, for half precision to be taken."""


def keeps_ranks(runner: Runner, bank: Bank, count: int) -> bool:
    """Whether passes in half precision tell the same of masks as those that the bank holds: the scores of the class
    that the network names correlate by `SAME`.

    Args:
        runner: of the network and the picture.
        bank: in full precision.
        count: how many of its masks are run again.
    """
    import torch

    cells, baseline = torch.from_numpy(bank.masks[:count]), make_baseline(runner.picture, bank.fill)

    def make(rows: range) -> Tensor:
        return hide(runner.picture, baseline, cells[rows.start : rows.stop])

    target = int(bank.whole.argmax())
    full = bank.answers[:count, target]
    half = runner.answers(make, len(cells), "half")[:, target].cpu().double().numpy()
    spreads = full.std() * half.std()
    if not np.isfinite(spreads) or spreads == 0:
        return False
    return bool(((full - full.mean()) * (half - half.mean())).mean() / spreads >= SAME)


def hide(picture: Tensor, baseline: Tensor, cells: Tensor) -> Tensor:
    """A picture with cells hidden, softly: within half a cell of an edge both are mixed.

    Args:
        picture: the model's input, `(1, C, H, W)` or `(1, C, D, H, W)`.
        baseline: what stands in for it, in the same shape.
        cells: `(n, h, w)` or `(n, d, h, w)` bool, True where a cell is hidden.

    Returns:
        `(n, C, H, W)` or `(n, C, D, H, W)`.
    """
    share = enlarge(cells[:, None].to(picture), picture.shape[2:])
    return picture + (baseline - picture) * share
