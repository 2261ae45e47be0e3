"""A comparison of methods as a plot: points with intervals, a panel a measure. Import it late: plotly is slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.maps.colours import CLUSTER_COLOURS, DOMINANT_COLOUR
from explain.collections.comparison import Comparison, Line

if TYPE_CHECKING:
    import plotly.graph_objects as go

_ACROSS = 2
_ARROWS = {"higher": " ↑", "lower": " ↓", "neither": ""}


def draw_plot(comparison: Comparison) -> go.Figure:
    """Open points cannot be told apart from the one that all are held against, whose name is bold."""
    from plotly.subplots import make_subplots

    tables = comparison.tables
    columns = min(_ACROSS, len(tables))
    rows = -(-len(tables) // columns)
    figure = make_subplots(
        rows,
        columns,
        horizontal_spacing=0.16,
        vertical_spacing=0.34 / rows,
        subplot_titles=[table.title + _ARROWS[table.better] for table in tables],
    )
    for number, table in enumerate(tables):
        at = {"row": number // columns + 1, "col": number % columns + 1}
        names = [f"<b>{line.title}</b>" if line.row == table.against else line.title for line in table.lines]
        for method in (True, False):
            some = [(name, line) for name, line in zip(names, table.lines, strict=True) if line.is_method == method]
            if some:
                figure.add_scatter(**_draw([name for name, _ in some], [line for _, line in some], method), **at)
        figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], automargin=True, **at)
    tallest = max(len(table.lines) for table in tables)
    figure.update_layout(height=rows * (90 + 26 * tallest), margin={"l": 8, "r": 16, "t": 32, "b": 8}, showlegend=False)
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
