"""A comparison of methods as a plot: points with intervals, a plot a measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.maps.colours import CLUSTER_COLOURS, DOMINANT_COLOUR
from components.words import ARROWS
from explain.collections.comparison import Line, MeasureTable

if TYPE_CHECKING:
    import plotly.graph_objects as go


def draw_plot(table: MeasureTable) -> go.Figure:
    """A measure's methods below each other; an open point cannot be told apart from the one that all are held against,
    whose name is bold.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    names = [f"<b>{line.title}</b>" if line.row == table.against else line.title for line in table.lines]
    for method in (True, False):
        some = [(name, line) for name, line in zip(names, table.lines, strict=True) if line.is_method == method]
        if some:
            figure.add_scatter(**_draw([name for name, _ in some], [line for _, line in some], method))
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], automargin=True)
    figure.update_xaxes(title=table.title + ARROWS[table.better])
    figure.update_layout(height=80 + 26 * len(table.lines), margin={"l": 8, "r": 16, "t": 8, "b": 8}, showlegend=False)
    return figure


def _draw(names: list[str], lines: list[Line], method: bool) -> dict[str, object]:
    colour = CLUSTER_COLOURS[0] if method else DOMINANT_COLOUR
    values = [line.estimate.value for line in lines]
    return {
        "x": values,
        "y": names,
        "mode": "markers",
        "marker": {
            "size": 10,
            "color": colour,
            "symbol": ["circle-open" if line.is_apart is False else "circle" for line in lines],
            "line": {"width": 2, "color": colour},
        },
        "error_x": {
            "array": [line.estimate.high - value for line, value in zip(lines, values, strict=True)],
            "arrayminus": [value - line.estimate.low for line, value in zip(lines, values, strict=True)],
            "color": colour,
            "thickness": 1.5,
            "width": 4,
        },
        "hovertemplate": "%{y}: %{x:.3f}<extra></extra>",
    }
