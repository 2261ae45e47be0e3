"""A comparison of methods as files for a paper: a table as CSV and as LaTeX, and all of it as JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterator

from explain.collections.bootstrap import COVER, DRAWS, ERROR, Estimate
from explain.collections.comparison import Comparison, Line, MeasureTable, describe_rule
from explain.percent import write_percent

_COLUMNS = (
    "measure",
    "better",
    "method",
    "kind",
    "pictures",
    "value",
    "low",
    "high",
    "median",
    "against",
    "difference",
    "difference_low",
    "difference_high",
    "chance",
    "apart",
    "sample",
)
_ARROWS = {"higher": r"$\uparrow$", "lower": r"$\downarrow$", "neither": ""}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "“": "``",
    "”": "''",
    "×": r"$\times$",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}


def write_csv(comparison: Comparison) -> bytes:
    """A line for each method and measure, as CSV in UTF-8; empty where there is no figure. `value` is the mean, or the
    median where that was asked for; `difference` that to `against`, on the same pictures.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for table in comparison.tables:
        for line in table.lines:
            difference = ["", "", ""] if line.difference is None else _list_numbers(line.difference)
            chance = "" if line.chance is None else f"{line.chance:.4g}"
            apart = {None: "", True: "yes", False: "no"}[line.is_apart]
            kind = "method" if line.is_method else "baseline"
            writer.writerow(
                [
                    table.title,
                    table.better,
                    line.title,
                    kind,
                    table.count,
                    *_list_numbers(line.estimate),
                    f"{line.median:.6g}",
                    next(one.title for one in table.lines if one.row == table.against),
                    *difference,
                    chance,
                    apart,
                    comparison.sample,
                ]
            )
    return text.getvalue().encode()


def _list_numbers(estimate: Estimate) -> list[str]:
    return [f"{number:.6g}" for number in (estimate.value, estimate.low, estimate.high)]


def write_latex(comparison: Comparison) -> bytes:
    """A table for LaTeX, a column a measure, with `booktabs`: figures with intervals, bold what all are held against,
    and a dagger at what cannot be told apart from it.
    """
    tables = comparison.tables
    rows = list(dict.fromkeys(line.row for table in tables for line in table.lines))
    lines = {(table.measure, line.row): line for table in tables for line in table.lines}
    titles = {line.row: line.title for table in tables for line in table.lines}
    methods = {line.row for table in tables for line in table.lines if line.is_method}
    said = [
        r"% Needs \usepackage{booktabs}. Written by CAMscope.",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escape(_write_caption(comparison))}}}",
        rf"\begin{{tabular}}{{l{'c' * len(tables)}}}",
        r"\toprule",
        " & ".join(["Method", *(f"{_escape(table.title)} {_ARROWS[table.better]}".strip() for table in tables)])
        + r" \\",
        r"\midrule",
    ]
    begun = False
    for row in sorted(
        rows, key=lambda row: row not in methods
    ):  # stable: methods in their order, then what means nothing
        if row not in methods and not begun:
            said.append(r"\midrule")
            begun = True
        cells = [_write_cell(table, lines.get((table.measure, row))) for table in tables]
        said.append(" & ".join([_escape(titles[row]), *cells]) + r" \\")
    said += [r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    return "\n".join(said).encode()


def _write_cell(table: MeasureTable, line: Line | None) -> str:
    if line is None:
        return "--"
    estimate, mark = line.estimate, ""
    value = f"{estimate.value:.3f}"
    if line.row == table.against:
        value = rf"\textbf{{{value}}}"
    elif not line.is_apart:
        mark = r"$^\dagger$"
    return f"{value}{mark} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _write_caption(comparison: Comparison) -> str:
    counts = sorted({table.count for table in comparison.tables})
    several = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return (
        f"{comparison.model}, layer {comparison.layer}. {comparison.sample} Figures are of the {several} pictures "
        f"where every map has one: the {comparison.statistic} with its {write_percent(COVER)} interval (paired "
        f"bootstrap, {DRAWS:,} draws, seed {comparison.seed}). Bold: what all are held against; † cannot be told apart "
        f"from it ({write_percent(ERROR)}, Holm)."
    )


def _escape(text: str) -> str:
    """A text as LaTeX writes it."""
    written = "".join(_SPECIAL.get(letter, letter) for letter in text)
    return written.replace("†", r"$^\dagger$")


def write_json(comparison: Comparison) -> bytes:
    """All of it, with what each measure counts and what was left out."""
    told = dataclasses.asdict(comparison)
    for table, own in zip(told["tables"], comparison.tables, strict=True):
        table["rule"] = describe_rule(own.measure, comparison.tolerance)
        table["sentence"] = own.sentence
    return json.dumps(told, indent=1, ensure_ascii=False).encode()


def list_lines(comparison: Comparison) -> Iterator[str]:
    """The comparison in lines of text, a table a measure."""
    yield comparison.sample
    for table in comparison.tables:
        better = "" if table.better == "neither" else f", {table.better} is better"
        yield f"\n{table.title}{better}: {table.statistic} of {table.count:,} pictures"
        interval = f"{write_percent(COVER)} interval"
        yield f"  {'':<22} {'figure':>8}  {interval:<18} {'median':>7}  {'difference':>10}  {interval:<18} apart"
        for line in table.lines:
            yield _write_line(line)
        yield f"  {table.sentence}"
        for reason, count in table.excluded.items():
            yield f"  left out, {count:,}: {reason}"
    yield ""
    yield from comparison.notes


def _write_line(line: Line) -> str:
    own = (
        f"  {line.title[:22]:<22} {line.estimate.value:>8.4f}  {_write_interval(line.estimate):<18} {line.median:>7.4f}"
    )
    if line.difference is None:
        return f"{own}  {'–':>10}"
    apart = "yes" if line.is_apart else "no"
    return f"{own}  {line.difference.value:>+10.4f}  {_write_interval(line.difference):<18} {apart}"


def _write_interval(estimate: Estimate) -> str:
    return f"{estimate.low:.4f} … {estimate.high:.4f}"
