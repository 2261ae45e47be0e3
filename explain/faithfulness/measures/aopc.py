"""The area over the perturbation curve: how far the class falls on the average as the most marked places are hidden."""

from __future__ import annotations

import numpy as np

from explain.faithfulness.changes import STEPS, Changes, hide_in_steps
from explain.faithfulness.measures.base import Examined, measure


def _ask(tested: Examined) -> tuple[Changes, ...]:
    return (hide_in_steps(tested.cells, tested.allowed, tested.seed, "grey", "most"),)


@measure(
    name="aopc",
    title="AOPC",
    category="hiding",
    better="higher",
    rule="Cells turn grey step by step, the most marked first. The figure is how far the probability of the "
    "class has fallen, on the average of all steps.",
    cannot="It rises with the probability that the class has to begin with, so that it compares maps of one input.",
    paper="Samek et al., Evaluating the Visualization of What a Deep Neural Network Has Learned, 2015, "
    "arXiv 1509.06321, equation 12, of the steps after the first",
    settings={"steps": STEPS, "fill": "grey"},
    asks=_ask,
    in_table=False,
)
def aopc(_: Examined, found: np.ndarray) -> float:
    """The mean fall from the picture as it is."""
    return float((found[0] - found[1:]).mean())
