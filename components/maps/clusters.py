"""CF-CAM's clustering as a person can look at it: which channels belong together, and what each group adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from components.browser.cards import Card, Frame
from components.maps.colours import CLUSTER_COLOURS, DOMINANT_COLOUR, NEUTRAL
from components.maps.frames import Ground, draw_frame
from explain.maps.render import format_number, value_range
from explain.methods.cf_cam.clustering import DOMINANT, NOISE
from explain.methods.cf_cam.settings import CfCamSettings
from explain.methods.cf_cam.view import ClusterView
from explain.percent import write_percent

if TYPE_CHECKING:
    from explain.pictures.geometry import Box


MOST_CARDS = 12


def draw_embedding(view: ClusterView, enlarged: bool = False) -> go.Figure:
    """Every channel as a point, laid flat so that near points are channels that respond alike; on a slide enlarged."""
    scale = 1.45 if enlarged else 1.0
    figure = go.Figure()
    for group in view.groups:
        chosen = view.clusters.labels == group
        x, y = view.embedding[chosen].T
        figure.add_scatter(
            x=x,
            y=y,
            mode="markers",
            name=name_group(group),
            marker={
                "color": colour_group(group),
                "size": 7 * scale,
                "symbol": "diamond" if group == DOMINANT else "circle",
            },
            customdata=chosen.nonzero()[0],
            hovertemplate="channel %{customdata}<extra>" + name_group(group) + "</extra>",
        )
    figure.update_layout(
        title={"text": "Similar channels lie together", "font": {"size": 13.5 * scale}, "x": 0, "xref": "container"},
        height=325 * scale,
        margin={"l": 6, "r": 6, "t": 30 * scale, "b": 6},
        legend={"orientation": "h", "y": -0.04, "font": {"size": 12 * scale}},
        uirevision="embedding",
    )
    figure.update_xaxes(showticklabels=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, zeroline=False)
    return figure


def build_group_cards(view: ClusterView, settings: CfCamSettings, ground: Ground, box: Box) -> list[Card]:
    """A card for each group: how large it is, what it responds to, and what it adds to the map.

    Clusters come first, the largest leading; of more than fit, the smallest are left out. What is added has one scale
    for all cards, so that equal colours are equal values.
    """
    sizes = dict(zip(view.groups, view.group_sizes, strict=True))
    clusters = sorted((group for group in view.groups if group >= 0), key=lambda group: -sizes[group])
    shown = clusters[:MOST_CARDS] + [group for group in (DOMINANT, NOISE) if group in sizes]
    scale = value_range([*view.contributions, *view.unfiltered], signed=True)
    gradient_scale = value_range([*view.mean_gradients, *view.filtered_gradients], signed=True)
    filters_gradients = settings.filtered == "gradients"
    total = float(np.abs(view.contributions).sum()) or 1.0
    built = []
    for group in shown:
        at = view.groups.index(group)
        name = name_group(group)
        share = float(np.abs(view.contributions[at]).sum()) / total

        def draw(values: np.ndarray, label: str, scale: tuple[float, float] | None, name: str = name) -> Frame:
            return draw_frame(ground, values, box, f"{label} of {name}", label, signed=True, scale=scale)

        frames = [draw(view.mean_activations[at], "Mean activation", None)]
        frames.append(draw(view.mean_gradients[at], "Mean gradient", gradient_scale))
        if filters_gradients:
            frames.append(draw(view.filtered_gradients[at], "Gradient, filtered", gradient_scale))
            frames.append(draw(view.contributions[at], "Adds to the map", scale))
        else:
            frames.append(draw(view.unfiltered[at], "Adds, before the filter", scale))
            frames.append(draw(view.contributions[at], "Adds to the map", scale))
        count = sizes[group]
        lines = [
            f"{count} channel{'s' if count > 1 else ''} · {write_percent(share)} of what is added",
            f"On the whole picture: activation {format_number(float(view.mean_activations[at].mean()))}, gradient "
            f"{format_number(float(view.mean_gradients[at].mean()))}.",
        ]
        if group == NOISE and settings.drop_noise:
            lines.append("Left out of the map.")
        elif group < 0:
            lines.append("Each channel keeps its own gradient.")
        else:
            lines.append("One mean gradient for all of its channels.")
        built.append(Card(str(group), name.capitalize(), lines, frames, colour_group(group)))
    return built


def describe_groups(view: ClusterView, settings: CfCamSettings) -> str:
    """Sizes of the groups in one sentence."""
    parts = [f"{name_group(group)}: {size}" for group, size in zip(view.groups, view.group_sizes, strict=True)]
    said = "Dominant channels keep their own gradients; noise is left out."
    if not settings.drop_noise:
        said = "Dominant channels and noise keep their own gradients."
    return f"Channels: {', '.join(parts)}. {said}"


def name_group(group: int) -> str:
    """What a label stands for, in words."""
    return {DOMINANT: "dominant", NOISE: "noise"}.get(group, f"cluster {group + 1}")


def colour_group(group: int) -> str:
    """Grey for what is not clustered, a colour for each cluster."""
    if group == NOISE:
        return NEUTRAL
    return DOMINANT_COLOUR if group == DOMINANT else CLUSTER_COLOURS[group % len(CLUSTER_COLOURS)]
