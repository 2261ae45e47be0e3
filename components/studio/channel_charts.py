"""Charts of what channels do: bars, what Grad-CAM's weights say, and paths. Import it late: plotly is slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from components.maps.colours import NEUTRAL
from components.studio.channels import MOST_BARS, ChannelsShown
from components.studio.charts import AGAINST, FOR

if TYPE_CHECKING:
    from explain.faithfulness.channels import Channels, Paths
    from explain.faithfulness.patching import Patches

_ZERO_LINE = "rgba(128,128,128,0.9)"
_WIDEST = 7.0  # pixels of the strongest path


def draw_channels(channels: Channels, shown: ChannelsShown, enlarged: bool = False) -> go.Figure:
    """The channels that do most, as signed bars, the strongest on top; beside them what Grad-CAM's weights say.

    Args:
        channels: what was measured.
        shown: which numbers; probabilities are in per cent.
        enlarged: to be read from afar.
    """
    values = shown.find_values(channels)
    strongest = shown.find_strongest(channels, MOST_BARS)[::-1]
    rows = [*range(len(strongest))]
    figure = go.Figure()
    figure.add_bar(
        x=values[strongest],
        y=rows,
        orientation="h",
        width=0.62,
        marker={"color": [FOR if value >= 0 else AGAINST for value in values[strongest]]},
        customdata=strongest,
        hovertemplate="channel %{customdata}: %{x:.3f}<extra></extra>",
    )
    if shown.reading == "removal" and not shown.by_probability:
        figure.add_scatter(
            x=channels.replaced[shown.way].claims[strongest],
            y=rows,
            mode="markers",
            marker={"symbol": "diamond", "size": 8, "color": "white", "line": {"width": 1.4, "color": "#333333"}},
            customdata=strongest,
            hovertemplate="by Grad-CAM's weight: %{x:.3f}<extra>channel %{customdata}</extra>",
        )
    unit = "probability (%)" if shown.by_probability else "score"
    does = "falls without the channel" if shown.reading == "removal" else "rises with the channel alone"
    _lay_out(figure, f"How far the {unit} {does}", 96 + 25 * len(strongest), enlarged)
    figure.update_xaxes(zeroline=True, zerolinecolor=_ZERO_LINE, zerolinewidth=1.5)
    figure.update_yaxes(
        tickvals=rows, ticktext=[f"channel {k}" for k in strongest], range=[-0.6, len(rows) - 0.4], showgrid=False
    )
    return figure


def draw_claims(channels: Channels, shown: ChannelsShown, enlarged: bool = False) -> go.Figure:
    """All channels: what Grad-CAM's weights say of each, and how far the score falls without it. On the line both are
    the same.

    Args:
        channels: what was measured.
        shown: what channels are set to.
        enlarged: to be read from afar.
    """
    of = channels.replaced[shown.way]
    both = np.concatenate([of.claims, of.score.removal])
    ends = [float(both.min()), float(both.max())]
    figure = go.Figure()
    figure.add_scatter(
        x=ends,
        y=ends,
        mode="lines",
        line={"color": NEUTRAL, "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=of.claims,
        y=of.score.removal,
        mode="markers",
        marker={
            "size": 6,
            "color": [FOR if value >= 0 else AGAINST for value in of.score.removal],
            "opacity": 0.6,
        },
        customdata=[*range(len(of.claims))],
        hovertemplate="channel %{customdata}: says %{x:.3f}, does %{y:.3f}<extra></extra>",
    )
    order = f", rank correlation {of.agreement:.2f}" if np.isfinite(of.agreement) else ""
    _lay_out(figure, f"All {len(of.claims)} channels{order}", 480 if enlarged else 330, enlarged)
    figure.update_xaxes(title="What Grad-CAM's weight says")
    figure.update_yaxes(title="How far the score falls")
    return figure


def draw_paths(paths: Paths, enlarged: bool = False) -> go.Figure:
    """Channels of an earlier layer on the left, of a later one on the right, and the paths that beat random pairs, the
    wider the more they do.

    Args:
        paths: what was measured.
        enlarged: to be read from afar.
    """
    figure = go.Figure()
    most = max(float(np.abs(paths.effects).max()), 1e-12)
    heights = [
        np.linspace(1, 0, len(ends)) if len(ends) > 1 else np.array([0.5]) for ends in (paths.sources, paths.sinks)
    ]
    strength = np.abs(paths.effects)
    order = np.dstack(np.unravel_index(np.argsort(strength, axis=None), strength.shape))[0]
    for row, column in [(row, column) for row, column in order if paths.drawn[row, column]]:
        effect = float(paths.effects[row, column])
        figure.add_scatter(
            x=[0, 0.5, 1],
            y=[heights[0][row], (heights[0][row] + heights[1][column]) / 2, heights[1][column]],
            mode="lines",
            line={
                "color": FOR if effect >= 0 else AGAINST,
                "width": max(_WIDEST * abs(effect) / most, 0.8),
            },
            opacity=0.75,
            hovertemplate=f"{paths.sources[row]} → {paths.sinks[column]}: {effect:.3f}<extra></extra>",
        )
    for at, (ends, side) in enumerate(((paths.sources, "middle left"), (paths.sinks, "middle right"))):
        figure.add_scatter(
            x=[at] * len(ends),
            y=heights[at],
            mode="markers+text",
            text=[str(channel) for channel in ends],
            textposition=side,
            marker={"size": 11, "color": "rgba(128,128,128,1)"},
            hoverinfo="skip",
        )
    _lay_out(figure, f"From {paths.layers[0]} (left) to {paths.layers[1]} (right)", 360, enlarged)
    figure.update_xaxes(range=[-0.18, 1.18], visible=False, fixedrange=True)
    figure.update_yaxes(range=[-0.07, 1.07], visible=False, fixedrange=True)
    return figure


def draw_patches(patches: Patches, enlarged: bool = False) -> go.Figure:
    """The heads and MLPs that carry most of what differs between two pictures, as signed bars, the strongest on top.

    Args:
        patches: what was measured.
        enlarged: to be read from afar.
    """
    strongest = patches.rank()[:MOST_BARS][::-1]
    falls = patches.falls[strongest]
    rows = [*range(len(strongest))]
    figure = go.Figure()
    figure.add_bar(
        x=falls,
        y=rows,
        orientation="h",
        width=0.62,
        marker={
            "color": [FOR if fall >= 0 else AGAINST for fall in falls],
            "opacity": [1.0 if patches.measured[part] else 0.5 for part in strongest],
        },
        customdata=[patches.names[part] for part in strongest],
        hovertemplate="%{customdata}: %{x:.3f}<extra></extra>",
    )
    _lay_out(figure, "How far the score falls with a part of the other picture", 96 + 25 * len(rows), enlarged)
    figure.update_xaxes(zeroline=True, zerolinecolor=_ZERO_LINE, zerolinewidth=1.5)
    figure.update_yaxes(
        tickvals=rows,
        ticktext=[patches.names[part] for part in strongest],
        range=[-0.6, len(rows) - 0.4],
        showgrid=False,
    )
    return figure


def _lay_out(figure: go.Figure, title: str, height: int, enlarged: bool) -> None:
    figure.update_layout(
        title={"text": title, "font": {"size": 19 if enlarged else 13.5}, "x": 0, "xref": "container"},
        font={"size": 17 if enlarged else 12},
        height=height,
        margin={"l": 8, "r": 16, "t": 42 if enlarged else 34, "b": 8},
        showlegend=False,
        hovermode="closest",
    )
