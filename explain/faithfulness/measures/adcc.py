"""ADCC: coherence, complexity and average drop in one figure."""

from __future__ import annotations

import numpy as np

from explain.faithfulness.changes import Changes, show_as_marked
from explain.faithfulness.measures.base import Examined, measure


def _ask(tested: Examined) -> tuple[Changes, ...]:
    return (show_as_marked(tested.shown),)


@measure(
    name="adcc",
    title="ADCC",
    category="showing",
    better="higher",
    unit="%",
    rule="The harmonic mean of three figures: how like the map is to the same method's map where all is shown only "
    "as bright as the map is; how little it marks; and how little of the probability of the class is lost there.",
    cannot="It rewards small maps that keep the class, and a small map may keep it for a reason of its own: most of it "
    "is what the method does, not what the network needs.",
    paper="Poppi et al., Revisiting The Evaluation of Class Activation Mapping for Explainability: A Novel Metric and "
    "Experimental Analysis, CVPR Workshops 2021, arXiv 2104.10252, equations 1 to 5",
    settings={"fill": "grey"},
    asks=_ask,
    of_value=False,
    in_table=False,
    redraws=True,
)
def adcc(tested: Examined, found: np.ndarray) -> float:
    """`100 · 3 / (1 / coherence + 1 / (1 − complexity) + 1 / (1 − drop))`, 0 where one of them is.

    Coherence is Pearson's correlation brought to 0…1; complexity the mean of the map as a share of its maximum.
    """
    if tested.coherence is None:
        return float("nan")
    marked, whole = found
    drop = max(0.0, whole - marked) / max(whole, 1e-12)
    parts = ((1 + tested.coherence) / 2, 1 - float(tested.shown.mean()), 1 - drop)
    return 0.0 if min(parts) <= 0 else float(100 * len(parts) / sum(1 / part for part in parts))
