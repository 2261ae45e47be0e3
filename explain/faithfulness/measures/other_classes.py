"""Class sensitivity: whether a map would be the same for another class."""

from __future__ import annotations

from explain.faithfulness.measures.base import Examined, measure


@measure(
    name="other classes",
    title="Likeness with other classes",
    category="likeness",
    better="lower",
    rule="The same method's maps of the likeliest other class and of the least likely one. The figure is the lower "
    "of both correlations with this map: 1 is the same map.",
    compared="maps of pairs of different inputs",
    cannot="A map that differs between classes may still be wrong about both.",
    paper="Sixt, Granz and Landgraf, When Explanations Lie, ICML 2020, arXiv 1912.09818; class sensitivity of Rebuffi "
    "et al., There and Back Again, CVPR 2020, arXiv 2004.02866",
)
def other_classes(tested: Examined) -> float:
    """The lower of the likenesses; see `explain.faithfulness.likeness`."""
    return min(tested.rivals, default=float("nan"))
