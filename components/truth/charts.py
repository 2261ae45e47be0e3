"""How often maps show a shortcut and verdicts catch it, as a plot. Import it late: plotly is slow."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from components.maps.colours import CLUSTER_COLOURS
from components.truth.counted import Line

_MAP, _VERDICT = CLUSTER_COLOURS[1], CLUSTER_COLOURS[0]


def draw_counted(lines: Sequence[Line]) -> go.Figure:
    """A line a mark: how often the map is highest on it, and how often the verdict says that one place decides.

    Args:
        lines: of one method.
    """
    figure = go.Figure()
    shown = [line for line in lines if line.placed]
    figure.add_scatter(
        x=[100 * line.figure.peaks for line in shown],
        y=[line.planted for line in shown],
        name="the map is highest on it",
        mode="markers",
        marker={"symbol": "circle-open", "size": 13, "color": _MAP, "line": {"width": 3}},
        hovertemplate="%{y}: %{x:.1f} %<extra>map</extra>",
    )
    values = [100 * line.figure.share for line in lines]
    figure.add_scatter(
        x=values,
        y=[line.planted for line in lines],
        name="the verdict says that one place decides",
        mode="markers",
        marker={"symbol": "diamond", "size": 10, "color": _VERDICT},
        error_x={
            "array": [100 * line.limits[1] - value for line, value in zip(lines, values, strict=True)],
            "arrayminus": [value - 100 * line.limits[0] for line, value in zip(lines, values, strict=True)],
            "color": _VERDICT,
            "thickness": 1.5,
            "width": 5,
        },
        hovertemplate="%{y}: %{x:.1f} %<extra>verdict</extra>",
    )
    names = list(dict.fromkeys(line.planted for line in lines))
    figure.update_layout(
        height=90 + 38 * len(names),
        margin={"l": 8, "r": 16, "t": 40, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    figure.update_xaxes(title="of marked pictures (%)", range=[-3, 103], dtick=25)
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], automargin=True)
    return figure
