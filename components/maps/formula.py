"""A map's value at one place as the sums that it is, with the numbers of this picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from explain.maps.channels import Breakdown
from explain.methods import Method, Settings
from explain.methods.formula import Sum
from explain.methods.table import link_papers

MOST_ROWS = 6
"""Of a sum that are written out; of more than those, the weakest are one row."""

_MOST_DIGITS = 9


@dataclass(frozen=True)
class SumRow:
    """A line of a sum as it is written: what it is of, its factors, and what they make."""

    name: str
    factors: tuple[str, ...]
    product: str


def show_formula(method: Method, settings: Settings, breakdown: Breakdown | None, value: float) -> None:
    """The method's formula, and what it is at one cell.

    Args:
        method: whose formula.
        settings: what the map was made with.
        breakdown: the sums; None for a formula without numbers.
        value: the map's own value there.
    """
    write_formula(method, settings)
    if breakdown is None:
        return
    row, column = breakdown.place
    st.markdown(f"At the ringed cell, row {row + 1} and column {column + 1}:")
    for number, each in enumerate(breakdown.sums):
        last = number == len(breakdown.sums) - 1
        rows = write_sum(each, value if last and not breakdown.roots else each.total)
        headings = (each.over, *each.columns)
        st.table(
            [
                {**dict(zip(headings, (line.name, *line.factors), strict=True)), each.product: line.product}
                for line in rows
            ],
            border="horizontal",
        )
    if breakdown.roots:
        st.markdown(write_roots([each.total for each in breakdown.sums], value))
    else:
        st.caption("The last line is the map's value at that cell. Factors are rounded.")


def write_formula(method: Method, settings: Settings) -> None:
    """The formula as it is read, without a picture's numbers."""
    if method.formula is None:
        st.caption(link_papers(method.paper))
        return
    latex, where, says = method.formula.write(settings)
    st.latex(latex)
    if where:
        st.latex(where)
    if says:
        st.markdown(says)


def write_sum(whole: Sum, value: float) -> list[SumRow]:
    """A sum line by line, the strongest first. The products are rounded so that those written add up exactly.

    Args:
        whole: everything that is added up.
        value: what it is known to make.
    """
    order = np.argsort(-np.abs(whole.products), kind="stable")
    most = len(order) if len(order) <= MOST_ROWS else MOST_ROWS - 1
    shown, others = order[:most], order[most:]
    rest = float(whole.products[others].sum())
    decimals = count_decimals([value, rest, *whole.products[shown].tolist()])
    blank = ("",) * len(whole.columns)
    rows = [
        SumRow(
            whole.names[k],
            tuple("own" if math.isnan(factor) else f"{factor:.4g}" for factor in whole.factors[k].tolist()),
            format_plain(float(whole.products[k]), decimals),
        )
        for k in shown.tolist()
    ]
    missing = round(value, decimals) - sum(round(float(whole.products[k]), decimals) for k in shown.tolist())
    if len(others):
        rows.append(SumRow(f"the other {len(others)}", blank, format_plain(missing, decimals)))
    elif round(missing, decimals):
        rows.append(SumRow("rounding", blank, format_plain(missing, decimals)))
    rows.append(SumRow("Sum", blank, format_plain(value, decimals)))
    return [
        SumRow(row.name, tuple(text.replace("-", "−") for text in row.factors), row.product.replace("-", "−"))
        for row in rows
    ]


def write_roots(totals: Sequence[float], value: float) -> str:
    """The product of the square roots of sums, each with as many digits as it takes for what is written to be right."""
    roots = [math.sqrt(max(total, 0.0)) for total in totals]
    made = f"{value:.4g}"
    digits = next(
        (n for n in range(4, _MOST_DIGITS) if f"{math.prod(float(f'{root:.{n}g}') for root in roots):.4g}" == made),
        _MOST_DIGITS,
    )
    written = " · ".join(f"{root:.{digits}g}" for root in roots)
    how = "The root of the sum is" if len(roots) == 1 else "The roots of the sums, multiplied, are"
    return f"{how} the map's value at that cell: {written} = {made}."


def count_decimals(numbers: Sequence[float]) -> int:
    """Decimals with which the largest number of a sum has four significant digits."""
    largest = max((abs(number) for number in numbers), default=0.0)
    return max(0, 3 - math.floor(math.log10(largest))) if largest > 0 else 3


def format_plain(value: float, decimals: int) -> str:
    """A number with so many decimals, and no minus before a zero."""
    text = f"{value:.{decimals}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "−")
