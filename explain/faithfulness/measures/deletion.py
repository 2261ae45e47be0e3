"""Deletion: how soon the class is lost as the picture is hidden, the most marked places first."""

from __future__ import annotations

import numpy as np

from explain.faithfulness.changes import STEPS, Changes, hide_in_steps
from explain.faithfulness.measures.base import Examined, measure
from explain.faithfulness.measures.insertion import find_area

_PAPER = (
    "Petsiuk, Das and Saenko, RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018, "
    "arXiv 1806.07421, section 4.2"
)
_CANNOT = (
    "Only the order of the cells counts. An input with holes is unlike any that the model learned from, so that the "
    "probability may fall for the holes."
)


def _ask_grey(tested: Examined) -> tuple[Changes, ...]:
    return (hide_in_steps(tested.cells, tested.allowed, tested.seed, "grey", "most"),)


def _ask_blur(tested: Examined) -> tuple[Changes, ...]:
    return (hide_in_steps(tested.cells, tested.allowed, tested.seed, "blur", "most"),)


@measure(
    name="deletion",
    title="Deletion",
    category="hiding",
    better="lower",
    rule="Cells turn grey step by step, the most marked first. The figure is the area under the probability "
    "of the class over the share that is hidden: near 0 where it is lost at once.",
    cannot=_CANNOT,
    paper=_PAPER,
    settings={"steps": STEPS, "fill": "grey"},
    asks=_ask_grey,
)
def deletion(tested: Examined, found: np.ndarray) -> float:
    """The area, by trapezoids."""
    return find_area(_ask_grey(tested)[0].shares, found)


@measure(
    name="deletion to blur",
    title="Deletion to blur",
    category="hiding",
    better="lower",
    rule="The same with blur in place of grey. Where both disagree, it is what hides that decides, and not the map.",
    cannot=_CANNOT,
    paper=_PAPER,
    settings={"steps": STEPS, "fill": "blur"},
    asks=_ask_blur,
)
def deletion_to_blur(tested: Examined, found: np.ndarray) -> float:
    """The area, by trapezoids."""
    return find_area(_ask_blur(tested)[0].shares, found)
