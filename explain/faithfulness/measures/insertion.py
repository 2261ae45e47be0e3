"""Insertion: how soon the class is named again as the picture comes out of a blur, the most marked places first."""

from __future__ import annotations

import numpy as np

from explain.faithfulness.changes import STEPS, Changes, hide_in_steps
from explain.faithfulness.measures.base import Examined, measure


def _ask(tested: Examined) -> tuple[Changes, ...]:
    """What is shown last is what is hidden first where the least marked goes first: the steps are the same."""
    return (hide_in_steps(tested.cells, tested.allowed, tested.seed, "blur", "least"),)


@measure(
    name="insertion",
    title="Insertion",
    category="hiding",
    better="higher",
    rule="The input comes out of a blur in steps, the most marked cells first. The figure is the area under the "
    "probability of the class over the share that is shown: 1 where it is named from the start.",
    cannot="Only the order of the cells counts. A half blurred input is unlike any that the model learned from, and "
    "some classes are named from the blur alone.",
    paper="Petsiuk, Das and Saenko, RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018, "
    "arXiv 1806.07421, section 4.2",
    settings={"steps": STEPS, "fill": "blur"},
    asks=_ask,
    share_shown=True,
)
def insertion(tested: Examined, found: np.ndarray) -> float:
    """The area, by trapezoids, over the shares that are hidden: over those shown it is the same."""
    return find_area(_ask(tested)[0].shares, found)


def find_area(shares: np.ndarray, scores: np.ndarray) -> float:
    """The area under a curve through the points, by trapezoids, of a width of 1.

    Args:
        shares: rising, `(n,)`.
        scores: there, `(n,)`.
    """
    width = shares[-1] - shares[0]
    area = (np.diff(shares) * (scores[1:] + scores[:-1]) / 2).sum()
    return float(area / width) if width > 0 else float("nan")
