"""How the maps of a picture compare: curves, a table, and which is best. Measured when asked for, beside the page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from components.choices.one_picture import pick_one
from components.maps.colours import CLUSTER_COLOURS
from components.maps.question import Question
from components.session.faults import show_faults
from components.session.idle import find_holdings
from components.session.work import Work
from components.words import ARROWS, escape
from explain.faithfulness.measured import CURVES, Curve, Measured
from explain.faithfulness.measures import MEASURES
from explain.pictures.picture import Picture
from explain.report.measured import encode_measured, encode_table
from explain.settings import Settings

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from explain.engine.engine import Engine

OPENED = "curves"
"""Key of the session's state: whether the section is open."""

_STATE = "measuring"
_STILL = 0.8  # seconds that a question must stand before it is measured: a slider on its way asks for nothing
_LOOK_AGAIN = 0.5
_DASHES = ("solid", "dash", "dot", "dashdot")
_GREY = "rgba(128,128,128,{})"
_NULLS = {"random blobs": "solid", "centre": "dash", "mean activation": "dot"}
"""The maps of no meaning beside the curves, and how their lines are drawn."""


@dataclass
class _Measuring:
    """What is measured in a session.

    Attributes:
        key: of the question.
        since: when it was asked, by time.monotonic.
        work: under way, once the question has stood still.
        stopped: the person stopped it.
    """

    key: str
    since: float
    work: Work[Measured] | None = None
    stopped: bool = False

    def stop(self) -> None:
        """Ask for no more of it."""
        self.stopped = True
        if self.work is not None:
            self.work.cancel.set()

    def count_bytes(self) -> int:
        """None that count: its picture is the session's, and curves are small."""
        return 0

    def let_go(self, minutes: int) -> None:
        """Forget what was measured, as its picture is: nobody has touched it for so many minutes."""
        self.stop()
        self.key, self.work = "", None  # no other question has this key

    def again(self) -> None:
        """Begin anew: what has been run is remembered."""
        self.stopped, self.work = False, None


def show_curves(engine: Engine, question: Question, settings: Mapping[str, Settings], key: str) -> None:
    """A section under the maps, closed until a person opens it. Nothing is measured before.

    Args:
        engine: measures.
        question: what is asked of it.
        settings: by method.
        key: of the question with its settings.
    """
    section = st.expander("How do these maps compare?", key=OPENED, icon=":material/show_chart:", on_change="rerun")
    if not section.open:
        _drop()
        return
    with section:
        if not question.can_be_judged or not question.usable:
            st.caption("Curves are measured of maps as they are: one layer, no views, and a column a method.")
            return
        picture = pick_one(question.pictures)
        measuring = _ask(f"{key} {picture.digest}")
        if measuring.stopped:
            st.caption("Stopped. What has been run is remembered.")
            st.button("Measure again", key="curves-again", on_click=measuring.again)
        elif measuring.work is not None and measuring.work.wait(0):
            _show(measuring.work.result(), picture)
        else:
            _follow(measuring, lambda work: _measure(engine, question, picture, settings, work))


def _ask(key: str) -> _Measuring:
    """What is measured now; another question ends the work on the last."""
    measuring: _Measuring | None = st.session_state.get(_STATE)
    if measuring is None or measuring.key != key:
        _drop()
        measuring = st.session_state[_STATE] = _Measuring(key, time.monotonic())
    find_holdings().touch(measuring)
    return measuring


def _drop() -> None:
    measuring = st.session_state.pop(_STATE, None)
    if measuring is not None:
        measuring.stop()


def _measure(
    engine: Engine, question: Question, picture: Picture, settings: Mapping[str, Settings], work: Work[Measured]
) -> Measured:
    target = "auto" if question.target is None else question.target
    asked = (question.model, question.usable, question.layer, target, settings, question.score)

    def report(share: float, text: str) -> None:
        work.report(text, share)

    if question.volume is not None and picture.section is not None:
        return engine.measure_volume(question.volume, *asked, progress=report, cancel=work.cancel)
    return engine.measure(picture, *asked, progress=report, cancel=work.cancel)


@st.fragment(run_every=_LOOK_AGAIN)
@show_faults
def _follow(measuring: _Measuring, function: Callable[[Work[Measured]], Measured]) -> None:
    """How far it is. A fragment of its own, so that no slider waits for it."""
    if measuring.stopped:
        st.rerun()
    if measuring.work is None and time.monotonic() - measuring.since >= _STILL:
        measuring.work = Work(function, "curves", "long")
    if measuring.work is not None and measuring.work.wait(0):
        st.rerun()
    share, said = (None, "") if measuring.work is None else measuring.work.progress
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.progress(share or 0.0, said or "Measuring …")
        st.button("Stop", key="curves-stop", on_click=measuring.stop)


def _show(measured: Measured, picture: Picture) -> None:
    """Which is best, the curves, and the table."""
    st.markdown(f"**{escape(measured.best.sentence)}**" if measured.best.name else escape(measured.best.sentence))
    for note in measured.notes:
        st.caption(escape(note))
    st.plotly_chart(draw_curves(measured), key="curves-plot", config={"displayModeBar": False})
    st.caption(
        "Grey are maps of no meaning: the band lies between the lowest and the highest of "
        f"{_count(measured, 'random blobs')} random maps. A map does better than chance where its line leaves the "
        "band: below it in the left plot, above it in the right one."
    )
    for names in list_twins(measured):
        st.caption(f"The lines of {escape(names)} lie on one another: these maps order the places alike.")
    table = build_table(measured)
    st.dataframe(
        table, hide_index=True, placeholder="–", key="curves-table", height="content", column_config=_describe_columns()
    )
    with st.container(key="curves-files", horizontal=True, vertical_alignment="center", gap="small"):
        entries = [(picture, measured)]
        st.download_button(
            "Table",
            lambda: encode_table(entries),
            "measures.csv",
            "text/csv",
            key="curves-csv",
            on_click="ignore",
            icon=":material/table:",
            help="All measures of all rows, as CSV.",
        )
        st.download_button(
            "Curves and table",
            lambda: encode_measured(entries),
            "measures.json",
            "application/json",
            key="curves-json",
            on_click="ignore",
            icon=":material/data_object:",
            help="Figures and curves as JSON, with what each measure is, its settings and its paper.",
        )
        st.caption(
            "What a column is, and what it cannot tell, is said at its head. No figure says that a map is right."
        )


def _count(measured: Measured, name: str) -> int:
    return next((row.count for row in measured.rows if row.name == name), 0)


def build_table(measured: Measured) -> dict[str, list[str | float | None]]:
    """The columns of the table: what the row is, and a figure for each measure that stands in it; None for none."""
    columns: dict[str, list[str | float | None]] = {
        "map": [row.title for row in measured.rows],
        "kind": ["method" if row.kind == "map" else "no meaning" for row in measured.rows],
    }
    # What a verdict rests on is shown there, and so comes last here.
    for name, measure in sorted(MEASURES.items(), key=lambda item: bool(item[1].compared)):
        if measure.in_table:
            figures = [row.figures[name] for row in measured.rows]
            columns[name] = [float(figure) if np.isfinite(figure) else None for figure in figures]
    return columns


def list_twins(measured: Measured) -> list[str]:
    """The names of maps whose curves are the same, each group in a phrase."""
    groups: dict[bytes, list[str]] = {}
    lines: dict[str, bytes] = {}
    titles = {curve.row: curve.title for curve in measured.curves if curve.kind == "map"}
    for curve in measured.curves:
        lines[curve.row] = lines.get(curve.row, b"") + curve.scores.tobytes()
    for row, title in titles.items():
        groups.setdefault(lines[row], []).append(title)
    return [f"{', '.join(names[:-1])} and {names[-1]}" for names in groups.values() if len(names) > 1]


def _describe_columns() -> dict[str, Any]:
    config: dict[str, Any] = {
        "map": st.column_config.TextColumn("Map", pinned=True),
        "kind": st.column_config.TextColumn(
            "Kind",
            help="Maps of no meaning are what a figure must be compared with: what does not beat them says nothing.",
        ),
    }
    for name, measure in MEASURES.items():
        config[name] = st.column_config.NumberColumn(
            f"{measure.title}{f' ({measure.unit})' if measure.unit else ''}{ARROWS[measure.better]}",
            help=f"{measure.rule} {measure.better.capitalize()} is better. What it cannot tell: {measure.cannot} "
            f"{measure.paper}",
            format="%.1f" if measure.unit == "%" else "%.3f",
        )
    return config


def draw_curves(measured: Measured) -> go.Figure:
    """Deletion and insertion side by side: a line a map, in the same colour in both, before maps of no meaning."""
    # Plotly takes longer to import than anything else on the page.
    from plotly.subplots import make_subplots

    figure = make_subplots(1, len(CURVES), horizontal_spacing=0.12, subplot_titles=[_head(name) for name in CURVES])
    for column, name in enumerate(CURVES, start=1):
        curves = measured.list_curves(name)
        for curve in curves:
            if curve.kind == "baseline" and curve.row in _NULLS:
                _add_null(figure, curve, column)
        own = [curve for curve in curves if curve.kind == "map"]
        for number, curve in enumerate(own):
            colour = CLUSTER_COLOURS[number % len(CLUSTER_COLOURS)]
            dash = _DASHES[number // len(CLUSTER_COLOURS) % len(_DASHES)]
            _add_line(figure, curve, column, {"color": colour, "dash": dash, "width": 2.5})
        axis = "shown" if MEASURES[name].share_shown else "hidden"
        ticks = {"tickvals": [0, 0.25, 0.5, 0.75, 1], "tickformat": ".0%"}
        figure.update_xaxes(title=axis, range=[0, 1], **ticks, row=1, col=column)
        figure.update_yaxes(rangemode="tozero", row=1, col=column)
    figure.update_layout(
        height=360,
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        legend={"orientation": "h", "y": -0.24},
        hovermode="x unified",
        uirevision="curves",
    )
    figure.update_yaxes(title=_shorten(f"probability of “{measured.label}”"), row=1, col=1)
    figure.update_annotations(font_size=13.5)
    return figure


def _head(name: str) -> str:
    return f"{MEASURES[name].title}{ARROWS[MEASURES[name].better]}"


def _shorten(label: str, most: int = 36) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"


def _add_null(figure: go.Figure, curve: Curve, column: int) -> None:
    if (curve.low < curve.high).any():
        shares, edge = [*curve.shares, *curve.shares[::-1]], [*curve.high, *curve.low[::-1]]
        figure.add_scatter(
            x=shares,
            y=edge,
            mode="lines",
            fill="toself",
            fillcolor=_GREY.format(0.18),
            line={"width": 0},
            hoverinfo="skip",
            name=curve.title,
            legendgroup=curve.row,
            showlegend=False,
            row=1,
            col=column,
        )
    _add_line(figure, curve, column, {"color": _GREY.format(0.9), "dash": _NULLS[curve.row], "width": 1.5})


def _add_line(figure: go.Figure, curve: Curve, column: int, line: dict[str, object]) -> None:
    figure.add_scatter(
        x=curve.shares,
        y=curve.scores,
        mode="lines",
        name=curve.title,
        legendgroup=curve.row,
        showlegend=column == 1,
        line=line,
        hovertemplate="%{y:.3f}",
        row=1,
        col=column,
    )
