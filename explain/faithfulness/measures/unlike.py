"""Unlikeness: how far a picture is from those that the model learned from."""

from __future__ import annotations

from explain.faithfulness.measures.base import Examined, measure


@measure(
    name="unlike",
    title="Unlikeness",
    category="likeness",
    better="lower",
    rule="Mean and spread of each channel at two layers, and how far they lie from those of known pictures "
    "(Mahalanobis distance): 0 is the middle one of known pictures, and nine in ten lie below 1.",
    compared="known pictures that had no part in the fit; one in forty may lie right of the dashed line",
    cannot="That a picture is like the others does not make the answer right. Grey pictures, and new things in "
    "photographs of a known style, pass.",
    paper="Lee, Lee, Lee and Shin, A Simple Unified Framework for Detecting Out-of-Distribution Samples, NeurIPS "
    "2018, arXiv 1807.03888, here without classes",
    in_table=False,
)
def unlike(tested: Examined) -> float:
    """See `explain.faithfulness.unlike`."""
    return float("nan") if tested.unlikeness is None else tested.unlikeness
