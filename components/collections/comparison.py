"""How the methods of a run compare: measured by a process beside the dashboard, shown with what can be told apart."""

from __future__ import annotations

import numpy as np
import streamlit as st

from components.choices.view import pick_one
from components.collections.choosing import Opened, pick_listed
from components.collections.comparison_plot import draw_plot
from components.collections.uploads import read_once
from components.collections.views import (
    AGAINST,
    FIRST_LIMIT,
    LIMIT,
    LIMITS,
    MEASURED,
    STATISTIC,
    STATISTICS,
)
from components.session.faults import show_faults
from components.session.work import Work
from components.words import ARROWS, escape
from explain.collections.bootstrap import Statistic
from explain.collections.comparing import Asked, ask_comparison, measure
from explain.collections.comparison import BEST, Comparison, compare, describe_rule
from explain.collections.comparison_files import write_csv, write_json, write_latex
from explain.collections.measured import count_measured
from explain.collections.measuring_question import DEFAULT_MEASURES, MEASURABLE
from explain.collections.pace import Pace, describe_pace
from explain.collections.run import Outcome
from explain.datasets.regions import Regions, read_regions
from explain.errors import Cancelled, ExplainError
from explain.faithfulness.measures import MEASURES
from explain.methods import get_method

BOXES = "comparison-boxes"
_MARKED = "comparison-marked"
_LOOK_AGAIN = 1.0
_MOST_REASONS = 4
_MEGABYTES = 128
_WIDTH = 480


class _Job(Work[Outcome | None]):
    """What is being measured of a run, in a process of its own, behind everything else that the machine does.

    Args:
        digest: of what is asked.
        asked: that.
    """

    def __init__(self, digest: str, asked: Asked) -> None:
        self.digest = digest
        super().__init__(lambda work: measure(asked, self._hear, work.cancel, nice=True))

    def _hear(self, pace: Pace) -> None:
        self.report(describe_pace(pace), pace.share)


@st.cache_resource
def _list_jobs() -> dict[str, _Job]:
    """By run, what is being measured: one at a time, for all who look at it."""
    return {}


def pick_compared(run: Opened) -> tuple[str, Statistic, int, list[str]]:
    """Offer what is compared: the method to hold all against, the statistic, how many pictures, and the measures."""
    titles = {BEST: "The best"} | {name: get_method(name).title for name in run.table.methods}
    against = pick_listed("Held against", AGAINST, titles)
    statistic = pick_one("Figure", STATISTIC, STATISTICS)
    st.session_state.setdefault(LIMIT, FIRST_LIMIT)
    limit = pick_one("Pictures", LIMIT, LIMITS)
    if not set(st.session_state.setdefault(MEASURED, list(DEFAULT_MEASURES))) <= set(MEASURABLE):
        st.session_state[MEASURED] = list(DEFAULT_MEASURES)
    measures = st.multiselect(
        "Measures",
        MEASURABLE,
        key=MEASURED,
        format_func=lambda name: MEASURES[name].title,
        persist_state="session",
        width=420,
    )
    return against, statistic, int(limit), measures  # type: ignore[return-value]


def show_comparison(run: Opened, rows: np.ndarray, chosen: tuple[str, Statistic, int, list[str]]) -> None:
    """What is measured so far of a sample of some rows, and how to have the rest measured."""
    against, statistic, limit, measures = chosen
    regions = _take_regions()
    try:
        key = run.table.digest, tuple(measures), limit, rows.tobytes(), regions.digest if regions else ""
        asked = _ask(key, run, rows, regions)
        done = count_measured(run.table.folder, asked.questions, asked.sample.ids)
    except ExplainError as error:
        st.info(str(error), icon=":material/balance:")
        return
    total = len(asked.sample.ids) * len(asked.questions)
    _show_job(run, asked, done, total)
    try:
        comparison = _compare(key, done, against, statistic, run, asked)
    except ExplainError as error:
        st.caption(str(error))
        return
    _show(comparison)


def _take_regions() -> Regions | None:
    with st.expander("Where maps should point", icon=":material/select_all:"):
        file = st.file_uploader(
            "Boxes or masks of these pictures",
            type=["csv", "tsv", "json"],
            key=BOXES,
            max_upload_size=_MEGABYTES,
            help="A table with the columns file, left, top, right, bottom and, if regions have names, label; or COCO's "
            "JSON with boxes, outlines or runs. It stays in memory, and no name in it is opened.",
        )
        st.caption(
            "With boxes or masks it is also counted how often a map is highest inside, and how much of it lies there, "
            "beside the centre and chance."
        )
    if file is None:
        st.session_state.pop(_MARKED, None)
        return None
    found = read_once(_MARKED, file.file_id, lambda: read_regions(file.getvalue(), file.name))
    if isinstance(found, str):
        st.error(escape(found), icon=":material/error:")
        return None
    return found


@st.cache_resource(max_entries=16, show_spinner="Drawing pictures …")
def _ask(key: tuple[object, ...], _run: Opened, _rows: np.ndarray, _regions: Regions | None) -> Asked:
    _, measures, limit, *_ = key
    assert isinstance(measures, tuple) and isinstance(limit, int)
    return ask_comparison(_run.table, measures, _regions, limit=limit, rows=_rows)


@st.cache_resource(max_entries=32, show_spinner="Drawing pictures anew, ten thousand times …")
def _compare(
    key: tuple[object, ...], done: int, against: str, statistic: Statistic, _run: Opened, _asked: Asked
) -> Comparison:
    return compare(_run.table, _asked.sample, _asked.questions, against, statistic)


def _show_job(run: Opened, asked: Asked, done: int, total: int) -> None:
    """How far the measuring is, or a button that starts it."""
    digest = asked.order.model_dump_json(exclude={"regions"})
    job = _list_jobs().get(run.key)
    if job is not None and not job.wait(0):
        if job.digest != digest:
            st.caption("Another comparison of this run is being measured; this one can follow it.")
        _follow(job)
        return
    if job is not None and job.digest == digest:
        _say_end(job)
    if done >= total:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        label = "Go on" if done else "Measure"
        st.button(
            label,
            key="comparison-start",
            type="primary",
            icon=":material/play_arrow:",
            on_click=_start,
            args=(run.key, digest, asked),
            help="Each picture is shown to the network some hundred times, partly hidden. What is measured stays, and "
            "is never measured again.",
        )
        what = (
            "pictures are measured" if len(asked.questions) == 1 else "are done: what hiding does, and what lies inside"
        )
        st.markdown(f"{done:,} of {total:,} {what}.", width="content")


def _start(key: str, digest: str, asked: Asked) -> None:
    other = _list_jobs().get(key)
    if other is None or other.wait(0):  # else somebody else was quicker
        _list_jobs()[key] = _Job(digest, asked)


def _say_end(job: _Job) -> None:
    """Why the last measuring ended before it was done, if it did."""
    try:
        job.result()
    except Cancelled:
        pass
    except ExplainError as error:
        st.error(escape(str(error)), icon=":material/error:")


@st.fragment(run_every=_LOOK_AGAIN)
@show_faults
def _follow(job: _Job) -> None:
    """How far it is. A fragment of its own, so that no filter waits for it."""
    if job.wait(0):
        st.rerun()
    share, said = job.progress
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.progress(share or 0.0, said or describe_pace(Pace()))
        st.button("Stop", key="comparison-stop", on_click=job.cancel.set)


def _show(comparison: Comparison) -> None:
    """The sentences, the plot, the table, and the files."""
    for table in comparison.tables:
        st.markdown(f"**{escape(table.title)}**{escape(table.sentence.removeprefix(table.title))}")
    with st.container(key="comparison-plots", horizontal=True, gap="medium"):
        for table in comparison.tables:
            key = f"comparison-plot-{table.measure}"
            st.plotly_chart(draw_plot(table), key=key, config={"displayModeBar": False}, width=_WIDTH)
    st.caption(
        f"{escape(comparison.sample)} Points are {comparison.statistic}s, lines their intervals; an open point cannot "
        "be told apart from the one in bold, that all are held against."
    )
    told = build_table(comparison)
    figures = [name for name, column in told.items() if name != "Pictures" and isinstance(column[-1], float)]
    config = {name: st.column_config.NumberColumn(format="%.4f") for name in figures}
    st.dataframe(told, hide_index=True, placeholder="–", key="comparison-table", height="content", column_config=config)
    _offer_files(comparison)
    for table in comparison.tables:
        reasons = [f"{count:,}: {reason}" for reason, count in [*table.excluded.items()][:_MOST_REASONS]]
        if reasons:
            st.caption(escape(f"{table.title}, left out: {' · '.join(reasons)}"))
    with st.expander("How it was measured", icon=":material/menu_book:"):
        for note in comparison.notes:
            st.markdown(escape(note))
        for table in comparison.tables:
            rule = describe_rule(table.measure, comparison.tolerance)
            st.markdown(f"**{escape(table.title)}.** {escape(rule)}")


def build_table(comparison: Comparison) -> dict[str, list[str | float | None]]:
    """The columns of the table, a row for each map and measure."""
    columns: dict[str, list[str | float | None]] = {}
    for table in comparison.tables:
        for line in table.lines:
            difference = line.difference
            told: dict[str, str | float | None] = {
                "Measure": table.title + ARROWS[table.better],
                "Map": line.title,
                "Pictures": table.count,
                "Figure": round(line.estimate.value, 4),
                "from": round(line.estimate.low, 4),
                "to": round(line.estimate.high, 4),
                "Difference": None if difference is None else round(difference.value, 4),
                "from ": None if difference is None else round(difference.low, 4),
                "to ": None if difference is None else round(difference.high, 4),
                "Told apart": {None: None, True: "yes", False: "no"}[line.is_apart],
            }
            for name, value in told.items():
                columns.setdefault(name, []).append(value)
    return columns


def _offer_files(comparison: Comparison) -> None:
    from explain.collections.comparison_plot import draw_comparison

    with st.container(key="comparison-files", horizontal=True, vertical_alignment="center", gap="small"):
        for title, ending, kind, icon, write in (
            ("Table", "csv", "text/csv", "table", lambda: write_csv(comparison)),
            ("LaTeX", "tex", "application/x-tex", "function", lambda: write_latex(comparison)),
            ("All of it", "json", "application/json", "data_object", lambda: write_json(comparison)),
            ("Plot as PDF", "pdf", "application/pdf", "picture_as_pdf", lambda: draw_comparison(comparison, "pdf")),
            ("Plot as SVG", "svg", "image/svg+xml", "image", lambda: draw_comparison(comparison, "svg")),
        ):
            st.download_button(
                title,
                write,
                f"comparison.{ending}",
                kind,
                key=f"comparison-{ending}",
                on_click="ignore",
                icon=f":material/{icon}:",
            )
