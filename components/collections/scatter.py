"""The pictures of a run by their maps: near points are maps that are alike; a lasso around some shows those alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from components.collections.choosing import Opened, find_lasso, keep_lasso
from components.maps.colours import CLUSTER_COLOURS, NEUTRAL
from explain.collections.embedding import MOST_POINTS, Laid, gather_maps, lay_flat

_KEY = "collection-scatter"
_MOST_COLOURS = 8


@st.cache_resource(max_entries=16, show_spinner="Laying maps out …")
def lay_out(digest: str, method: str, rows_key: bytes, _run: Opened, _rows: np.ndarray) -> tuple[Laid, np.ndarray]:
    """The maps of some rows, and where they lie."""
    laid = gather_maps(_run.table, _rows, method)
    return laid, lay_flat(laid)


def show_scatter(run: Opened, rows: np.ndarray, method: str, colour: str) -> None:
    """The points, coloured by a column, and what a lasso around some does."""
    laid, flat = lay_out(run.table.digest, method, rows.tobytes(), run, rows)
    if not len(laid.rows):
        st.info("None of these maps has anything on it.", icon=":material/scatter_plot:")
        return
    st.plotly_chart(
        draw_points(laid, flat, *name_points(run, laid.rows, colour)),
        key=_KEY,
        on_select=lambda: _select(run, laid),
        selection_mode=("lasso", "box"),
        config={"displaylogo": False, "scrollZoom": True},
    )
    left = len(rows) - len(laid.rows)
    drawn = f" {MOST_POINTS:,} of them, drawn by chance, are shown." if len(rows) > MOST_POINTS else ""
    blank = f" {left:,} blank ones are left out." if left and not drawn else ""
    st.caption(
        f"Each point is a picture; near points have maps that are alike.{drawn}{blank} Draw around some with the lasso "
        "or the box above the plot: the page then shows these alone."
    )


def name_points(run: Opened, rows: np.ndarray, colour: str) -> tuple[np.ndarray, list[str]]:
    """To which of a few names each row belongs, `(n,)`, and the names; the rarer ones are one."""
    if colour == "correct":
        values = run.table.numbers("correct")[rows]
        codes = np.where(np.isnan(values), 2, values == 0).astype(int)
        texts = ["right", "wrong", "not known"]
    else:
        codes, known = run.table.codes(colour)
        codes, texts = codes[rows].astype(int), [*known, "not known"]
        codes[codes < 0] = len(texts) - 1
    counts = np.bincount(codes, minlength=len(texts))
    order = [int(number) for number in np.argsort(-counts, kind="stable") if counts[number]]
    shown = order[:_MOST_COLOURS]
    names = [texts[number] for number in shown] + (["others"] if len(order) > len(shown) else [])
    places = np.full(len(texts), len(shown))
    places[shown] = np.arange(len(shown))
    return places[codes], names


def draw_points(laid: Laid, flat: np.ndarray, belongs: np.ndarray, names: list[str]) -> go.Figure:
    """A trace for each name; a point carries its row."""
    figure = go.Figure()
    for number, name in enumerate(names):
        chosen = belongs == number
        figure.add_scatter(  # not by WebGL: a browser on a remote desktop has none, and shows nothing then
            x=flat[chosen, 0],
            y=flat[chosen, 1],
            mode="markers",
            name=name,
            customdata=laid.rows[chosen],
            marker={
                "size": 6,
                "opacity": 0.75,
                "color": NEUTRAL if name in ("others", "not known") else CLUSTER_COLOURS[number % len(CLUSTER_COLOURS)],
            },
            hovertemplate="picture %{customdata}<extra>" + name + "</extra>",
        )
    figure.update_layout(
        height=520,
        margin={"l": 6, "r": 6, "t": 6, "b": 6},
        dragmode="lasso",
        legend={"orientation": "h", "y": -0.04},
        uirevision="scatter",
    )
    figure.update_xaxes(showticklabels=False, showgrid=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False, scaleanchor="x")
    return figure


def _select(run: Opened, laid: Laid) -> None:
    """What was drawn around is meant from now on."""
    state: Any = st.session_state.get(_KEY) or {}
    points = (state.get("selection") or {}).get("points") or []
    there = set(laid.rows.tolist())
    rows = sorted({row for point in points if (row := read_row(point)) in there})
    if rows:
        keep_lasso(run.table, tuple(rows))


def read_row(point: Any) -> int:
    """The row of a point that the browser names; -1 where it names none."""
    data = point.get("customdata") if isinstance(point, dict) else None
    data = data[0] if isinstance(data, list) and data else data
    return data if isinstance(data, int) and not isinstance(data, bool) else -1


def offer_all(run: Opened) -> None:
    """A way back from a lasso."""
    drawn = find_lasso(run.table)
    if drawn is not None:
        st.button(
            f"Show all again, not these {len(drawn):,} alone",
            key="collection-all",
            icon=":material/select_all:",
            on_click=keep_lasso,
            args=(run.table, None),
        )
