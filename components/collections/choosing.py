"""Which run, and which of its pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import streamlit as st

from components.choices.view import pick_one
from components.collections.kept import (
    list_known,
    offer_to_delete,
    say_gone,
    say_what_is_kept,
    say_what_was_done,
    sweep_now_and_then,
)
from components.collections.views import (
    GROUP,
    INSIDE,
    LABEL,
    METHOD,
    PAGE,
    PREDICTED,
    REGION,
    RIGHT,
    RIGHTS,
    RISING,
    RUN,
    SORT,
    VERDICT,
    WHOLE,
)
from components.words import escape
from explain.collections.filtering import Filter, count_words
from explain.collections.gathered import Gathered
from explain.collections.page_run import PageRun, open_page_runs
from explain.collections.reading import PictureReader
from explain.collections.region_finder import name_region
from explain.collections.runs import FOLDER, VARIABLE, Run, list_runs
from explain.collections.tables import name_column
from explain.methods import get_method
from explain.training.detached import is_token

LASSO = "collection-lasso"
"""Of the session's state: the rows that were drawn around, and the run that they are of."""

_ENDINGS = {
    "peak_x": "peak from the left",
    "peak_y": "peak from the top",
    "entropy": "entropy",
    "centre": "in the centre",
    "border": "at the border",
    "area": "area above half",
}
_FIGURES = {
    "": "Order of the run",
    "probability": "Probability",
    "margin": "Margin to the next class",
    "agreement": "Agreement of the methods",
    "unlike": "Unlike what the model knows",
}


@dataclass(frozen=True, eq=False)
class Opened:
    """A run that is open.

    Attributes:
        key: see `Run`.
        table: what it holds.
        reader: of its pictures.
    """

    key: str
    table: Gathered
    reader: PictureReader


@st.cache_resource(max_entries=8, show_spinner="Opening the run …")
def _open(key: str, stamp: tuple[int, ...], _run: Run) -> Opened:
    table = Gathered(_run.path)
    return Opened(key, table, PictureReader(table))


def pick_run() -> Opened | None:
    """Offer the runs; None where there are none, which is then said, with how to make one."""
    sweep_now_and_then()
    say_what_was_done()
    runs = {run.key: run for run in [*open_page_runs(list_known()), *list_runs()]}
    if is_token(st.session_state.get(RUN) or "") and st.session_state[RUN] not in runs:
        say_gone()
    if not runs:
        st.info(
            "There is no run yet. *Explain all* on Compare makes one of your pictures, or of a zip. Or explain a "
            "folder, a zip, a WebDataset tar or a Parquet data set on the command line, "
            f"into the folder “{FOLDER}” of CAMscope's data folder, or name a run's folder in {VARIABLE} before the "
            "server starts.",
            icon=":material/grid_view:",
        )
        st.code(f"python -m explain collect FOLDER --out $CAMSCOPE_HOME/{FOLDER}/NAME", language="sh")
        return None
    if st.session_state.get(RUN) not in runs:
        st.session_state[RUN] = next(iter(runs))
    key = st.selectbox(
        "Run",
        list(runs),
        key=RUN,
        format_func=lambda key: runs[key].title,
        on_change=_start_again,
        persist_state="session",
        filter_mode=None,
        help="Runs in CAMscope's data folder, and those that were named when the server started.",
    )
    run = runs[key]
    made = [path.stat() for path in (run.path, run.path / "manifest.json")]
    opened = _open(key, tuple(stat.st_mtime_ns for stat in made), run)
    question = run.manifest.question
    st.caption(
        f"{len(opened.table):,} pictures, {escape(run.manifest.model.name)}, layer {escape(question.layer)}, "
        f"{', '.join(get_method(name).title for name in question.methods)}."
    )
    begun_here = PageRun.find(key)
    if begun_here is not None:
        say_what_is_kept(begun_here)
        offer_to_delete(begun_here, "collection")
    return opened


def pick_filter(run: Gathered, lasso: bool = True) -> Filter:
    """Offer what pictures can be told apart by.

    Args:
        run: the run.
        lasso: only those that a person drew around are meant, if they drew.
    """
    right = pick_one("Answer", RIGHT, RIGHTS, on_change=_turn_to_first)
    words = []
    columns = [("predicted", "Predicted", PREDICTED), ("label", "Labelled", LABEL), ("group", "Group", GROUP)]
    if run.manifest.question.verdicts:
        method = st.session_state.get(METHOD) or run.methods[0]
        columns.append((name_column(method, "verdict"), "Verdict", VERDICT))
    for column, title, key in columns:
        counts = count_words(run, column)
        if counts:
            text = _pick_word(title, key, counts)
            words += [(column, text)] if text else []
        else:
            st.session_state.pop(key, None)
    rows = find_lasso(run) if lasso else None
    return Filter(tuple(words), right, rows, _pick_region(run))  # type: ignore[arg-type]


def _pick_region(run: Gathered) -> tuple[tuple[str, float, float], ...]:
    """Offer how much of a map lies inside a region, where the run tells of any."""
    names = run.manifest.question.regions
    if not names:
        return ()
    if st.session_state.get(REGION, "") not in names:
        st.session_state[REGION] = ""
    region = st.selectbox(
        "Map inside",
        ["", *names],
        key=REGION,
        format_func=lambda name: name or "Anywhere",
        on_change=_turn_to_first,
        persist_state="session",
        help="A region of the pictures, as it was given when they were explained. Pictures without it are left out.",
    )
    if not region:
        return ()
    st.session_state.setdefault(INSIDE, WHOLE)
    ends = st.slider(
        "Per cent of the map", *WHOLE, step=5, key=INSIDE, on_change=_turn_to_first, persist_state="session"
    )
    low, high = cast(tuple[int, int], ends)  # what stands in the state is a range
    method = st.session_state.get(METHOD)
    column = name_column(method if method in run.methods else run.methods[0], name_region(region))
    return ((column, low / 100, high / 100),)


def _pick_word(title: str, key: str, counts: Mapping[str, int]) -> str:
    options = ["", *counts]
    if st.session_state.get(key, "") not in options:
        st.session_state[key] = ""
    return str(
        st.selectbox(
            title,
            options,
            key=key,
            format_func=lambda text: f"{text} ({counts[text]:,})" if text else "All",
            on_change=_turn_to_first,
            persist_state="session",
        )
    )


def pick_method(run: Gathered) -> str:
    """Offer the methods whose maps are shown."""
    return pick_listed("Map", METHOD, {name: get_method(name).title for name in run.methods})


def pick_order(run: Gathered) -> tuple[str, bool]:
    """Offer what pictures are sorted by; the column, and whether the largest comes first."""
    of_methods = {
        name_column(method, ending): f"{get_method(method).title}: {words}"
        for method in run.methods
        for ending, words in (_ENDINGS | _name_regions(run)).items()
    }
    column = pick_listed("Sorted by", SORT, _FIGURES | of_methods)
    rising = st.toggle("Least first", key=RISING, on_change=_turn_to_first, persist_state="session")
    return column, not rising


def _name_regions(run: Gathered) -> dict[str, str]:
    """By the ends of the columns of their shares, the regions that a run tells of."""
    return {name_region(region): f"inside {region}" for region in run.manifest.question.regions}


def describe_figure(run: Gathered, column: str) -> str:
    """What a column of numbers is called on a card."""
    known = _name_regions(run) | _FIGURES | _ENDINGS
    return next((words for ending, words in known.items() if ending and column.endswith(ending)), "")


def pick_listed(title: str, key: str, choices: Mapping[str, str], on_change: Callable[[], None] | None = None) -> str:
    """Offer some choices by their titles; the first where none is chosen."""
    if st.session_state.get(key) not in choices:
        st.session_state[key] = next(iter(choices))
    chosen = st.selectbox(
        title,
        list(choices),
        key=key,
        format_func=choices.__getitem__,
        on_change=on_change or _turn_to_first,
        persist_state="session",
        filter_mode=None,
        width=240,
    )
    return str(chosen)


def find_lasso(run: Gathered) -> tuple[int, ...] | None:
    """The rows that a person drew around in this run; None where they drew nothing."""
    kept = st.session_state.get(LASSO)
    return kept[1] if kept and kept[0] == run.digest else None


def keep_lasso(run: Gathered, rows: tuple[int, ...] | None) -> None:
    """Mean only these rows from now on, or all again."""
    st.session_state[LASSO] = None if rows is None else (run.digest, rows)
    _turn_to_first()


def _turn_to_first() -> None:
    st.session_state[PAGE] = 1


def _start_again() -> None:
    """Another run has other classes."""
    for key in (PREDICTED, LABEL, GROUP, VERDICT, LASSO, REGION, INSIDE):
        st.session_state.pop(key, None)
    _turn_to_first()
