"""Completeness: whether a map adds up to the score that it explains."""

from __future__ import annotations

from explain.faithfulness.measures.base import Examined, measure


@measure(
    name="completeness",
    title="Missing of the score",
    category="sum",
    better="lower",
    unit="%",
    rule="All values of the map, those below zero too, are added up and compared with the score of the class without "
    "its bias. The figure is the difference as a share of that score: 0 where the map adds up exactly. It can be had "
    "where one linear layer reads the average of the explained layer.",
    cannot="A map may add up and lie in the wrong place. Of methods whose values have no unit, such as Eigen-CAM, it "
    "says that they have none.",
    paper="Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks, ICML 2017, arXiv 1703.01365, "
    "completeness; Draelos and Carin, HiResCAM, 2020, arXiv 2011.08891, section 3, of the score without its bias",
    in_table=False,
)
def completeness(tested: Examined) -> float:
    """`100 · |Σ map − s| / |s|`, of the sum or of the mean, as CAM is defined, whichever is nearer to `s`."""
    if tested.unbiased is None or tested.unbiased == 0:
        return float("nan")
    total, mean = tested.sums
    return 100 * min(abs(total - tested.unbiased), abs(mean - tested.unbiased)) / abs(tested.unbiased)
