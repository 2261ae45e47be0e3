"""What a map is like, whatever the network does: how few places it marks."""

from __future__ import annotations

import numpy as np

from explain.faithfulness.measures.base import Examined, measure

_CANNOT = "Nothing but the map is looked at: a map of one wrong place is as sparse as one of the right place."


@measure(
    name="sparseness",
    title="Sparseness",
    category="shape",
    better="neither",
    rule="Gini's coefficient of the map's cells: 0 where all are alike, near 1 where one has it all.",
    cannot=_CANNOT,
    paper="Chalasani et al., Concise Explanations of Neural Networks using Adversarial Training, ICML 2020, "
    "arXiv 1810.06583",
    in_table=False,
)
def sparseness(tested: Examined) -> float:
    """`Σ (2 i − n − 1) x_i / (n Σ x)` of the cells from the lowest to the highest."""
    values = np.sort(tested.cells.ravel())
    ranks = np.arange(1, len(values) + 1)
    return float(((2 * ranks - len(values) - 1) * values).sum() / (len(values) * values.sum()))


@measure(
    name="complexity",
    title="Complexity",
    category="shape",
    better="neither",
    unit="nat",
    rule="The entropy of the map's cells, each as a share of all: 0 where one has it all, ln 64 = 4.16 where all are "
    "alike.",
    cannot=_CANNOT,
    paper="Bhatt, Weller and Moura, Evaluating and Aggregating Feature-based Model Explanations, IJCAI 2020, "
    "arXiv 2005.00631, definition 6",
    in_table=False,
)
def complexity(tested: Examined) -> float:
    """`−Σ q ln q` of the shares `q`."""
    shares = tested.cells.ravel() / tested.cells.sum()
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
