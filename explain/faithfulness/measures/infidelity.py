"""Infidelity: how far a map's sums over hidden places are from what the score falls by."""

from __future__ import annotations

from explain.faithfulness.measures.base import Examined, measure


@measure(
    name="infidelity",
    title="Infidelity",
    category="hiding",
    better="lower",
    rule="Half of the input is hidden again and again, in blobs. The figure is the mean squared error of the share "
    "of the map that is hidden as a forecast of how far the score falls, the map in its best scale, as a share of the "
    "mean squared fall: 0 exactly, 1 no better than no map.",
    cannot="That the score falls at all when half is hidden counts for any map, so that the worst have less than 1. "
    "It compares maps under the same masks.",
    paper="Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019, arXiv 1901.09392, "
    "definition 2.1, with the map in its best scale; divided by the mean squared fall",
    in_table=False,
)
def infidelity(tested: Examined) -> float:
    """`min over β of mean (β Iᵀφ − fall)² / mean fall²`."""
    if tested.bank is None:
        return float("nan")
    masks = tested.bank.masks
    sums = (masks * tested.cells).reshape(len(masks), -1).sum(1)
    falls = tested.bank.find_falls(tested.target)
    if not (falls**2).sum() > 1e-12 or not (sums**2).sum() > 0:
        return float("nan")
    best = (sums @ falls) / (sums @ sums)
    return float(((best * sums - falls) ** 2).sum() / (falls**2).sum())
