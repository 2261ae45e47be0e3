"""The measures that verdicts rest on: what each is, which way is good, what it cannot tell, and where it is from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MeasureName = Literal["hiding", "other classes", "copies"]


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        title: as people read it.
        rule: what is done and counted, in a sentence or two.
        compared: what the figures are of that a map's own is compared with.
        better: which way is better.
        cannot: what it does not show, in a sentence.
        paper: where it comes from.
    """

    title: str
    rule: str
    compared: str
    better: Literal["higher", "lower"]
    cannot: str
    paper: str


MEASURES: dict[MeasureName, Measure] = {
    "hiding": Measure(
        title="Hiding correlation",
        rule="Half of the picture is hidden again and again, in blobs, once grey and once blurred. The figure says how "
        "well the share of the map that is hidden foretells how far the score falls: 1 exactly, 0 not at all.",
        compared="the same map moved and turned, and the same method's maps of other pictures",
        better="higher",
        cannot="A picture with holes is unlike any that the model learned from, so that it may fall for the holes. "
        "And a map may show truly where a model looks that is wrong.",
        paper="Bhatt, Weller and Moura, Evaluating and Aggregating Feature-based Model Explanations, IJCAI 2020, "
        "arXiv 2005.00631, definition 3",
    ),
    "other classes": Measure(
        title="Likeness with other classes",
        rule="The same method's maps of the likeliest other class and of the least likely one. The figure is the lower "
        "of both correlations with this map: 1 is the same map.",
        compared="maps of pairs of different pictures",
        better="lower",
        cannot="A map that differs between classes may still be wrong about both.",
        paper="Sixt, Granz and Landgraf, When Explanations Lie, ICML 2020, arXiv 1912.09818",
    ),
    "copies": Measure(
        title="Likeness with copies",
        rule="The same method's maps of eight copies that nobody can tell from the picture: a little noise, one pixel "
        "aside, a breath of light. The figure is the middle one of the correlations with this map.",
        compared="maps of pairs of different pictures",
        better="higher",
        cannot="The steadiest maps of all are those that do not ask for the class. Steady is not right.",
        paper="Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019, arXiv 1901.09392",
    ),
}
"""By name, in the order in which a card shows them."""
