"""How far the maps of each row agree, as a matrix one can look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from components.browser.canvas import Row
from components.maps.rows import DIFFERENCE_PANE
from explain.maps.agreement import describe_agreement, rank_correlations
from explain.pictures.geometry import Box

MATRIX = "agreement-matrix"
"""Key of the container with the matrices."""


def show_agreement(rows: Sequence[Row]) -> None:
    """A matrix of rank correlations for every row that has at least two maps of its model."""
    with st.container(key=MATRIX):
        _show_matrices(rows)


def _show_matrices(rows: Sequence[Row]) -> None:
    for row in rows:
        mapped = [pane for pane in row.panes if pane.values is not None and pane.key != DIFFERENCE_PANE]
        panes = [pane for pane in mapped if not pane.origin]
        if len(panes) < 2:
            continue
        whole = Box.whole(row.pixels.shape[:2])
        matrix = rank_correlations(
            [pane.values for pane in panes if pane.values is not None], [pane.box or whole for pane in panes]
        )
        st.markdown(f"**{row.label}**")
        st.plotly_chart(
            draw_matrix(matrix, [pane.title for pane in panes]),
            key=f"agreement-{row.key}",
            width="content",
            config={"displayModeBar": False},
        )
        st.caption(describe_agreement(matrix, [pane.title for pane in panes]))
        if len(panes) < len(mapped):
            st.caption(f"Left out, as of another model: {', '.join(pane.title for pane in mapped if pane.origin)}.")
    st.caption(
        "Spearman's rank correlation of the places: 1 where two maps order the places alike, 0 where they have nothing "
        "in common. Values below zero are taken as zero. Agreement is no proof that either map is right."
    )


def draw_matrix(matrix: np.ndarray, names: Sequence[str]) -> go.Figure:
    """The matrix as squares with their numbers; what cannot be compared stays empty."""
    text = [["" if np.isnan(value) else f"{value:.2f}" for value in line] for line in matrix]
    figure = go.Figure(
        go.Heatmap(
            z=matrix,
            x=list(names),
            y=list(names),
            text=text,
            texttemplate="%{text}",
            zmin=-1,
            zmax=1,
            colorscale="RdBu",
            reversescale=True,
            hovertemplate="%{y} and %{x}: %{z:.2f}<extra></extra>",
            xgap=2,
            ygap=2,
        )
    )
    side = 90 + 62 * len(names)
    figure.update_layout(
        width=side + 180, height=side, margin={"l": 10, "r": 10, "t": 10, "b": 10}, yaxis={"autorange": "reversed"}
    )
    return figure
