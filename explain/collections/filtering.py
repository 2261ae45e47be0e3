"""Which pictures of a run are meant, and in which order: masks and partial sorts over whole columns, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from explain.collections.gathered import Gathered

Right = Literal["all", "right", "wrong", "failed"]
"""By what is known of the answer: it is the label, it is not, or there is none."""


@dataclass(frozen=True)
class Filter:
    """Which pictures are meant.

    Attributes:
        words: by column of texts, the one text that is meant.
        right: see `Right`.
        rows: only these, ascending; None for all.
        ranges: by column of numbers, the lowest and the highest that is meant.
    """

    words: tuple[tuple[str, str], ...] = ()
    right: Right = "all"
    rows: tuple[int, ...] | None = None
    ranges: tuple[tuple[str, float, float], ...] = ()


def find_rows(run: Gathered, wanted: Filter) -> np.ndarray:
    """The rows that are meant, ascending, `(n,)` int64. A text that no row has means none."""
    mask = np.ones(len(run), bool)
    for column, text in wanted.words:
        codes, texts = run.codes(column)
        mask &= codes == (texts.index(text) if text in texts else len(texts))
    for column, low, high in wanted.ranges:
        values = run.numbers(column)
        mask &= (values >= low) & (values <= high)
    if wanted.right in ("right", "wrong"):
        mask &= run.numbers("correct") == float(wanted.right == "right")
    codes, texts = run.codes("state")
    failed = codes == (texts.index("failed") if "failed" in texts else len(texts))
    mask &= failed if wanted.right == "failed" else ~failed
    if wanted.rows is not None:
        chosen = np.zeros(len(run), bool)
        chosen[list(wanted.rows)] = True
        mask &= chosen
    return np.flatnonzero(mask)


def order_rows(
    run: Gathered, rows: np.ndarray, column: str, descending: bool, first: int = 0, count: int | None = None
) -> np.ndarray:
    """Some of these rows in the order of a figure, from place `first` on. Those without the figure come last; equals
    stay in the order of their rows.

    Args:
        run: the run.
        rows: ascending.
        column: of numbers; empty for the order of the rows.
        descending: the largest first.
        first: places to pass over.
        count: how many at most; all where left out.
    """
    end = len(rows) if count is None else min(first + count, len(rows))
    if not column:
        return rows[first:end]
    values = run.numbers(column)[rows]
    keys = np.where(np.isnan(values), np.inf, -values if descending else values)
    if end < len(rows):
        # Only what may come before the page's end is sorted: a million rows take milliseconds, not seconds.
        last = np.partition(keys, end - 1)[end - 1] if end else -np.inf
        candidates = np.flatnonzero(keys <= last)
    else:
        candidates = np.arange(len(rows))
    chosen: np.ndarray = rows[candidates[np.argsort(keys[candidates], kind="stable")][first:end]]
    return chosen


def count_words(run: Gathered, column: str) -> dict[str, int]:
    """How many pictures of a run have each text of a column, the commonest first."""
    codes, texts = run.codes(column)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    order = np.argsort(-counts, kind="stable")
    return {texts[number]: int(counts[number]) for number in order if counts[number]}
