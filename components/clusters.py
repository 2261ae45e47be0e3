"""CF-CAM's clustering as two plots: how far channels lie apart, and which of them belong together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go
import streamlit as st

from explain.capture import Score
from explain.explanation import PictureExplanation
from explain.methods import Settings
from explain.methods.cf_cam import DOMINANT, NOISE, CfCamSettings, ClusterView, cluster_view
from explain.models import LoadedModel

if TYPE_CHECKING:
    from explain.engine import Engine

NEUTRAL = "rgba(128,128,128,0.45)"
DOMINANT_COLOUR = "#8a8f98"
# Okabe and Ito's palette, which colour-blind readers can tell apart.
CLUSTER_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")


def show_clusters(
    engine: Engine, model: LoadedModel, entries: Sequence[PictureExplanation], settings: Settings, score: Score
) -> None:
    """The plots of one picture, the first unless another is chosen. They need no pass of the network."""
    by_digest = {entry.picture.digest: entry for entry in entries}
    chosen = next(iter(by_digest))
    if len(entries) > 1:
        chosen = st.selectbox(
            "Picture",
            [*by_digest],
            format_func=lambda digest: by_digest[digest].picture.name,
            key="clusters-picture",
            label_visibility="collapsed",
        )
    entry = by_digest[chosen]
    assert isinstance(settings, CfCamSettings)
    capture = engine.capture(entry.picture, model, entry.layers[0], entry.targets[0], score)
    view = cluster_view(capture, settings)
    left, right = st.columns(2)
    left.plotly_chart(draw_k_distances(view), key="k-distances", config={"displayModeBar": False})
    right.plotly_chart(draw_embedding(view), key="embedding", config={"displayModeBar": False})
    st.caption(describe_groups(view, settings))


def draw_k_distances(view: ClusterView) -> go.Figure:
    """The sorted distance of each channel to its k-th neighbour, with eps as a line: its knee is the usual choice."""
    eps = view.clusters.eps
    figure = go.Figure(
        go.Scatter(y=view.k_distances, mode="lines", line={"color": CLUSTER_COLOURS[0]}, hovertemplate="%{y:.3g}")
    )
    figure.add_hline(y=eps, line_dash="dash", line_color=CLUSTER_COLOURS[5], annotation_text=f"eps {eps:.3g}")
    _lay_out(figure, f"Distance to neighbour {view.clusters.min_samples}", "channels, nearest first", "distance")
    return figure


def draw_embedding(view: ClusterView) -> go.Figure:
    """Every channel as a point, laid flat so that near points are channels that respond alike."""
    figure = go.Figure()
    for group in view.groups:
        chosen = view.clusters.labels == group
        x, y = view.embedding[chosen].T
        figure.add_scatter(
            x=x,
            y=y,
            mode="markers",
            name=name_group(group),
            marker={"color": colour_group(group), "size": 6, "symbol": "diamond" if group == DOMINANT else "circle"},
            customdata=chosen.nonzero()[0],
            hovertemplate="channel %{customdata}<extra>" + name_group(group) + "</extra>",
        )
    _lay_out(figure, "Channels that respond alike lie together", "", "")
    figure.update_xaxes(showticklabels=False)
    figure.update_yaxes(showticklabels=False)
    return figure


def describe_groups(view: ClusterView, settings: CfCamSettings) -> str:
    """Sizes of the groups in one sentence."""
    parts = [f"{name_group(group)}: {size}" for group, size in zip(view.groups, view.group_sizes, strict=True)]
    noise = "is thrown away" if settings.drop_noise else "keeps its own gradients"
    return f"Channels: {', '.join(parts)}. Dominant channels keep their own gradients; noise {noise}."


def name_group(group: int) -> str:
    """What a label stands for, in words."""
    return {DOMINANT: "dominant", NOISE: "noise"}.get(group, f"cluster {group + 1}")


def colour_group(group: int) -> str:
    """Grey for what is not clustered, a colour for each cluster."""
    if group == NOISE:
        return NEUTRAL
    return DOMINANT_COLOUR if group == DOMINANT else CLUSTER_COLOURS[group % len(CLUSTER_COLOURS)]


def _lay_out(figure: go.Figure, title: str, x: str, y: str) -> None:
    figure.update_layout(
        title={"text": title, "font": {"size": 14}},
        height=300,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        xaxis_title=x,
        yaxis_title=y,
        legend={"orientation": "h", "y": -0.15},
    )
