"""Whether one place decides: pasted into other pictures, it makes them the class."""

from __future__ import annotations

from explain.faithfulness.measures.base import Examined, measure


@measure(
    name="one place",
    title="Pictures turned by a place",
    category="showing",
    better="lower",
    rule="Squares of nine of 64 cells all over the picture, and its edges, are pasted into other pictures, where they "
    "lay. The figure is the share of them that become this class; it must be a half, and the place must lift the class "
    "4.75 times the spread further than places elsewhere in this picture do.",
    compared="the other places of this picture",
    cannot="It is no accusation: a place may be all that it takes, as the beak of a bird. And a mark that lies "
    "everywhere, as a tint does, or is wider than these places, is not found.",
    paper="after Casper et al., Diagnostics for Deep Neural Networks with Automated Copy/Paste Attacks, 2022, "
    "arXiv 2211.10024",
    in_table=False,
)
def one_place(tested: Examined) -> float:
    """The share; see `explain.faithfulness.transplant`."""
    return float("nan") if tested.turned is None else tested.turned
