"""The gain between both orders: what hiding the least marked first leaves, less what hiding the most marked leaves."""

from __future__ import annotations

import numpy as np

from explain.faithfulness.changes import STEPS, Changes, hide_in_steps
from explain.faithfulness.measures.base import Examined, measure


def _ask(tested: Examined) -> tuple[Changes, ...]:
    cells, allowed, seed = tested.cells, tested.allowed, tested.seed
    return (
        hide_in_steps(cells, allowed, seed, "grey", "least"),
        hide_in_steps(cells, allowed, seed, "grey", "most"),
    )


@measure(
    name="gain",
    title="Gain",
    category="hiding",
    better="higher",
    rule="Cells turn grey step by step, once the least marked first and once the most marked. The figure is "
    "how much higher the probability of the class stays in the first order, on the average of the steps: 0 for a map "
    "that tells nothing.",
    cannot="Grey places count in both orders alike, which takes some of their harm away, not all. Only the order of "
    "the cells counts.",
    paper="Blücher, Vielhaben and Strodthoff, Decoupling Pixel Flipping and Occlusion Strategy for Consistent XAI "
    "Benchmarks, 2024, arXiv 2401.06654, symmetric relevance gain; the area between the curves of Samek et al., "
    "arXiv 1509.06321",
    settings={"steps": STEPS, "fill": "grey"},
    asks=_ask,
)
def gain(_: Examined, least_first: np.ndarray, most_first: np.ndarray) -> float:
    """The mean over the steps between both ends, which are the same in both orders."""
    return float((least_first - most_first)[1:-1].mean())
