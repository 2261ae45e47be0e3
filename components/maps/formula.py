"""A map's value at one place as the sum that it is, with the numbers of this picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import streamlit as st

from explain.maps.channels import Breakdown
from explain.methods import Method


@dataclass(frozen=True)
class SumRow:
    """A line of the sum as it is written: what it is of, weight, activation, and what they make."""

    name: str
    weight: str
    activation: str
    product: str


def show_formula(method: Method, breakdown: Breakdown | None, value: float | None) -> None:
    """The method's formula; for a method that is a sum over channels also that sum at the map's highest place.

    Args:
        method: whose formula.
        breakdown: the sum; None for a method that has none, or where the map has no highest place.
        value: the map's own value there.
    """
    if method.formula is None:
        st.markdown(
            f"{method.sentence} This map is no plain sum over channels, so there is no such sum to show. "
            "How it is made stands in its paper; Grad-CAM is the simplest to begin with."
        )
        st.caption(method.paper)
        return
    st.latex(method.formula.latex)
    st.latex(method.formula.where)
    if breakdown is None or value is None:
        st.caption("Nothing in this map is above zero, so there is no highest place to work it out for.")
        return
    row, column = breakdown.place
    st.markdown(
        f"At the ringed cell, row {row + 1} and column {column + 1}, with the {len(breakdown.terms)} channels that "
        "count most there:"
        if len(breakdown.terms) > 1
        else f"At the ringed cell, row {row + 1} and column {column + 1}:"
    )
    activation = "A_k(p)"
    st.table(
        [
            {
                "Channel k": line.name,
                f"${method.formula.weight}$": line.weight,
                f"${activation}$": line.activation,
                "Product": line.product,
            }
            for line in write_sum(breakdown)
        ],
        border="horizontal",
    )
    st.caption(
        f"The products add up to the map's value at that cell: {format_plain(value, count_decimals(breakdown))}. "
        "Weights and activations are rounded."
    )


def write_sum(breakdown: Breakdown) -> list[SumRow]:
    """The sum line by line. The products are rounded so that those written add up to the last one exactly."""
    decimals = count_decimals(breakdown)
    rows = [
        SumRow(str(term.channel), f"{term.weight:.4g}", f"{term.activation:.4g}", format_plain(term.product, decimals))
        for term in breakdown.terms
    ]
    if breakdown.others:
        rest = round(breakdown.value, decimals) - sum(round(term.product, decimals) for term in breakdown.terms)
        rows.append(SumRow(f"the other {breakdown.others}", "", "", format_plain(rest, decimals)))
    rows.append(SumRow("Sum", "", "", format_plain(breakdown.value, decimals)))
    return [
        SumRow(*(text.replace("-", "−") for text in (row.name, row.weight, row.activation, row.product)))
        for row in rows
    ]


def count_decimals(breakdown: Breakdown) -> int:
    """Decimals with which the largest number of the sum has four significant digits."""
    largest = max([abs(breakdown.value), abs(breakdown.rest), *(abs(term.product) for term in breakdown.terms)])
    return max(0, 3 - math.floor(math.log10(largest))) if largest > 0 else 3


def format_plain(value: float, decimals: int) -> str:
    """A number with so many decimals, and no minus before a zero."""
    text = f"{value:.{decimals}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "−")
