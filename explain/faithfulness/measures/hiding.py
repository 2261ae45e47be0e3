"""The hiding correlation, on which the verdict rests."""

from __future__ import annotations

from explain.faithfulness.hiding import correlate
from explain.faithfulness.measures.base import Examined, measure


@measure(
    name="hiding",
    title="Hiding correlation",
    category="hiding",
    better="higher",
    rule="Half of the input is hidden again and again, in blobs. The figure says how well the share of the map "
    "that is hidden foretells how far the score falls: 1 exactly, 0 not at all. Verdicts hide twice, grey and blurred.",
    compared="the same map moved and turned, and the same method's maps of other inputs",
    cannot="An input with holes is unlike any that the model learned from, so that it may fall for the holes. "
    "And a map may show truly where a model looks that is wrong.",
    paper="Bhatt, Weller and Moura, Evaluating and Aggregating Feature-based Model Explanations, IJCAI 2020, "
    "arXiv 2005.00631, definition 3",
)
def hiding(tested: Examined) -> float:
    """See `explain.faithfulness.hiding`."""
    if tested.bank is None:
        return float("nan")
    return float(correlate(tested.cells[None], [tested.bank], tested.target)[0])
