"""ROAD: what is left of the class as places are filled with what surrounds them, so that no hole stands out."""

from __future__ import annotations

import numpy as np

from explain.faithfulness.changes import Changes, hide_shares
from explain.faithfulness.imputation import NOISE
from explain.faithfulness.measures.base import Examined, measure

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""How much is hidden, each time anew."""


def _ask(tested: Examined) -> tuple[Changes, ...]:
    cells, allowed, seed = tested.cells, tested.allowed, tested.seed
    return (
        hide_shares(cells, allowed, seed, "harmonic", "least", SHARES),
        hide_shares(cells, allowed, seed, "harmonic", "most", SHARES),
    )


@measure(
    name="road",
    title="ROAD",
    category="hiding",
    better="higher",
    rule="Shares of the input are filled with what their edges smoothly lead to, once the least marked cells and "
    "once the most marked. The figure is half of how much higher the probability of the class stays with the least "
    "marked filled, on the average of the shares.",
    cannot="Smooth maps leave large holes, and smoothly filled large holes still have a shape. The paper counts right "
    "answers over many inputs; of one there is only the probability.",
    paper="Rong et al., A Consistent and Efficient Evaluation Strategy for Attribution Methods, ICML 2022, "
    "arXiv 2202.00449; both orders in one figure as in pytorch-grad-cam's ROADCombined",
    settings={"shares": list(SHARES), "fill": "harmonic", "noise": NOISE},
    asks=_ask,
)
def road(_: Examined, least_filled: np.ndarray, most_filled: np.ndarray) -> float:
    """Half the mean difference."""
    return float((least_filled - most_filled).mean() / 2)
