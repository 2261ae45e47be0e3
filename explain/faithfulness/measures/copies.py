"""Steadiness: whether a map stays as it is while the picture changes in ways nobody can see."""

from __future__ import annotations

from explain.faithfulness.measures.base import Examined, measure


@measure(
    name="copies",
    title="Likeness with copies",
    category="likeness",
    better="higher",
    rule="The same method's maps of copies that nobody can tell from the original, eight of a picture and ten of a "
    "volume: a little noise, one pixel aside, a breath of light. The figure is the middle one of the correlations with "
    "this map.",
    compared="maps of pairs of different inputs",
    cannot="The steadiest maps of all are those that do not ask for the class. Steady is not right.",
    paper="Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019, arXiv 1901.09392",
)
def copies(tested: Examined) -> float:
    """The median likeness; see `explain.faithfulness.copies`."""
    return float("nan") if tested.steadiness is None else tested.steadiness
