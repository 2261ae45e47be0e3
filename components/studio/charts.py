"""The studio's charts: how a training went, what it mixes up, what a picture scores, and without which regions.

Import it late: plotly is slow.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from components.maps.colours import CLUSTER_COLOURS, NEUTRAL
from components.studio.effects import Chosen, choose_change
from explain.models.judged import Judged, find_interval
from explain.percent import write_percent

if TYPE_CHECKING:
    from explain.faithfulness.effects import Effects
    from explain.training.outcome import Epoch
    from explain.traits.traits import ClassView

LEARNT, CHECKED = CLUSTER_COLOURS[0], CLUSTER_COLOURS[1]
FOR, AGAINST = CLUSTER_COLOURS[5], CLUSTER_COLOURS[0]
_LONGEST_NAME = 24
_MOST_NUMBERED = 12  # classes up to which a confusion matrix has room for its numbers


def draw_loss(epochs: Sequence[Epoch]) -> go.Figure:
    """Loss over the epochs, on what is learnt from and on what chooses the epoch."""
    return _draw_pair("Loss", epochs, [e.loss for e in epochs], [e.val_loss for e in epochs], ".3f")


def draw_accuracy(epochs: Sequence[Epoch]) -> go.Figure:
    """Per cent of the pictures that are named rightly, over the epochs."""
    learnt, checked = [e.accuracy for e in epochs], [e.val_accuracy for e in epochs]
    figure = _draw_pair("Accuracy (%)", epochs, learnt, checked, ".1f")
    figure.update_yaxes(range=[0, 102])
    return figure


def _draw_pair(
    title: str, epochs: Sequence[Epoch], learnt: Sequence[float], checked: Sequence[float | None], digits: str
) -> go.Figure:
    figure = go.Figure()
    numbers = [epoch.number for epoch in epochs]
    # One epoch is a point, which a line alone would not show.
    mode = "lines+markers" if len(epochs) < 30 else "lines"
    for name, values, colour, dash in (
        ("learnt from", learnt, LEARNT, "dot"),
        ("chooses the epoch", checked, CHECKED, "solid"),
    ):
        if values[0] is None:  # there are no pictures to choose by
            continue
        figure.add_scatter(
            x=numbers,
            y=values,
            name=name,
            mode=mode,
            line={"color": colour, "width": 2.5, "dash": dash},
            marker={"size": 5},
            hovertemplate=f"epoch %{{x}}: %{{y:{digits}}}<extra>{name}</extra>",
        )
    figure.update_layout(
        title={"text": title, "font": {"size": 13.5}, "x": 0, "xref": "container"},
        height=260,
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
        legend={"orientation": "h", "y": -0.28},
        uirevision=title,
    )
    figure.update_xaxes(title="Epoch", rangemode="tozero")
    return figure


def draw_confusion(confusion: np.ndarray, labels: Sequence[str]) -> go.Figure:
    """What each class is taken for: rows are what it is, columns what it is taken for; shares of the row.

    Args:
        confusion: `(C, C)` counts.
        labels: names of the classes.
    """
    counts = np.asarray(confusion)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    names = shorten_names(labels)
    numbered = len(names) <= _MOST_NUMBERED
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=names,
            y=names,
            zmin=0,
            zmax=1,
            colorscale="Viridis",
            showscale=False,
            customdata=np.vectorize(lambda count, share: f"{count} ({write_percent(share)})")(counts, shares),
            text=counts if numbered else None,
            texttemplate="%{text}" if numbered else None,
            hovertemplate="%{y}, taken for %{x}: %{customdata}<extra></extra>",
        )
    )
    side = max(260, min(640, 110 + 34 * len(names)))
    figure.update_layout(
        title={"text": "What it is (rows), taken for (columns)", "font": {"size": 13.5}, "x": 0, "xref": "container"},
        height=side,
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
    )
    figure.update_xaxes(type="category")
    figure.update_yaxes(type="category", autorange="reversed")
    return figure


def draw_class_accuracy(judged: Judged, labels: Sequence[str]) -> go.Figure:
    """How many of each class are named rightly, and between which shares the truth lies, the worst on top; classes of
    which none was judged are left out.
    """
    counts = zip(judged.right, judged.pictures, strict=True)
    shares = {index: right / total for index, (right, total) in enumerate(counts) if total}
    order = sorted(shares, key=shares.__getitem__, reverse=True)
    limits = [find_interval(judged.right[i], judged.pictures[i]) for i in order]
    names = shorten_names(labels)
    values = [100 * shares[i] for i in order]
    figure = go.Figure(
        go.Bar(
            x=values,
            y=[f"{names[i]}, {judged.right[i]} of {judged.pictures[i]}" for i in order],
            orientation="h",
            marker={"color": CHECKED, "opacity": 0.4},
            error_x={
                "array": [100 * high - value for (_, high), value in zip(limits, values, strict=True)],
                "arrayminus": [value - 100 * low for (low, _), value in zip(limits, values, strict=True)],
                "color": NEUTRAL,
                "thickness": 1.5,
                "width": 5,
            },
            customdata=[[100 * low, 100 * high] for low, high in limits],
            hovertemplate="%{y}: 95 % interval %{customdata[0]:.0f}–%{customdata[1]:.0f} %<extra></extra>",
        )
    )
    _lay_out_bars(figure, "Right (%), 95 % interval", 90 + 25 * len(order), 100.0)
    figure.update_xaxes(range=[0, 104], showticklabels=True, dtick=25)
    return figure


def draw_scores(
    probabilities: Sequence[float] | np.ndarray, labels: Sequence[str], asked: Collection[int], most: int
) -> go.Figure:
    """The picture's probability under the likeliest classes and those asked for, which are marked.

    Args:
        probabilities: `(C,)`, 0…1.
        labels: names of the classes.
        asked: indices of the classes that are looked at.
        most: how many of the likeliest.
    """
    likeliest = np.argsort(-np.asarray(probabilities), kind="stable")
    shown = [i for place, i in enumerate(likeliest.tolist()) if place < most or i in asked][::-1]
    names = shorten_names(labels)
    return _draw_bars(
        "Its probability under every class (%)" if len(names) <= most else "Its probability, likeliest classes (%)",
        [f"<b>{names[i]}</b>" if i in asked else names[i] for i in shown],
        [100 * float(probabilities[i]) for i in shown],
        [CHECKED if i in asked else LEARNT for i in shown],
        ".1f",
        100.0,
    )


def draw_change(
    before: Sequence[float] | np.ndarray,
    after: Sequence[float] | np.ndarray,
    labels: Sequence[str],
    asked: Collection[int],
    most: int,
) -> go.Figure:
    """Probabilities before and after, of the classes that are likely in either, and of those asked for."""
    old, new = np.asarray(before), np.asarray(after)
    order = np.argsort(-np.maximum(old, new), kind="stable").tolist()
    shown = [i for place, i in enumerate(order) if place < most or i in asked][::-1]
    names = shorten_names(labels)
    ticks = [f"<b>{names[i]}</b>" if i in asked else names[i] for i in shown]
    figure = go.Figure()
    # Bars are stacked from below, and the legend read from above.
    for name, values, colour in (("after", new, CHECKED), ("before", old, NEUTRAL)):
        figure.add_bar(
            x=[100 * float(values[i]) for i in shown],
            y=ticks,
            orientation="h",
            name=name,
            marker={"color": colour},
            texttemplate="%{x:.1f}",
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"%{{y}}: %{{x:.2f}} %<extra>{name}</extra>",
        )
    _lay_out_bars(figure, "Probability before and after (%)", 100 + 44 * len(shown), 100.0)
    figure.update_layout(barmode="group", legend={"orientation": "h", "y": -0.12, "traceorder": "reversed"})
    return figure


def draw_blurring(classes: Sequence[ClassView]) -> go.Figure:
    """What stays of each class as its heads are blurred one after the other, in the order of the greedy ranking (solid)
    and the most important first (dotted).
    """
    figure = go.Figure()
    for place, (seen, name) in enumerate(zip(classes, shorten_names([c.label for c in classes]), strict=True)):
        for blurred, dash, order in (
            (seen.ranking.least_first, "solid", "least important first"),
            (seen.ranking.most_first, "dot", "most important first"),
        ):
            values = (seen.probability, *blurred)
            figure.add_scatter(
                x=list(range(len(values))),
                y=[100 * value for value in values],
                mode="lines+markers",
                name=f"{name}, {order}" if len(classes) > 1 else order.capitalize(),
                line={"color": CLUSTER_COLOURS[place], "width": 2.5, "dash": dash},
                marker={"size": 5},
                hovertemplate=f"%{{x}} heads blurred, {order}: %{{y:.1f}} %<extra>{name}</extra>",
            )
    figure.update_layout(
        title={
            "text": "Probability as heads are blurred (%)",
            "font": {"size": 13.5},
            "x": 0,
            "xref": "container",
        },
        height=300,
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
        legend={"orientation": "h", "y": -0.12},
    )
    figure.update_xaxes(dtick=1)
    figure.update_yaxes(range=[0, 104])
    return figure


def _draw_bars(
    title: str, names: Sequence[str], values: Sequence[float], colours: Sequence[str], digits: str, highest: float
) -> go.Figure:
    figure = go.Figure(
        go.Bar(
            x=list(values),
            y=list(names),
            orientation="h",
            marker={"color": list(colours)},
            texttemplate=f"%{{x:{digits}}}",
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.2f} %<extra></extra>",
        )
    )
    _lay_out_bars(figure, title, 70 + 25 * len(names), highest)
    return figure


def draw_effects(effects: Effects, chosen: Chosen, enlarged: bool = False) -> go.Figure:
    """What each region does to the class: a signed bar, its range over fills, and the same hole at other places.

    Args:
        effects: of the regions.
        chosen: which number is shown; probabilities are in per cent.
        enlarged: to be read from afar.
    """
    changes = [choose_change(effects, number, chosen) for number in range(len(effects.regions))][::-1]
    names = shorten_names([effect.name for effect in effects.regions])[::-1]
    scale = 100.0 if chosen.by_probability else 1.0
    values = [scale * np.asarray(getattr(change, chosen.reading)) for change in changes]
    means = np.array([value.mean() for value in values])
    figure = go.Figure()
    figure.add_bar(
        x=means,
        y=[*range(len(names))],
        orientation="h",
        width=0.62,
        marker={"color": [FOR if mean >= 0 else AGAINST for mean in means]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [value.max() - mean for value, mean in zip(values, means, strict=True)],
            "arrayminus": [mean - value.min() for value, mean in zip(values, means, strict=True)],
            "color": "rgba(128,128,128,0.95)",
            "thickness": 1.5,
        },
        customdata=names,
        hovertemplate="%{customdata}: %{x:.2f}<extra></extra>",
    )
    if chosen.reading == "removal":
        dots = [(scale * place, row) for row, change in enumerate(changes) for place in change.places]
        spread = [0.05 * (number % 7 - 3) for number in range(len(dots))]  # so that dots do not hide each other
        figure.add_scatter(
            x=[at for at, _ in dots],
            y=[row + off for (_, row), off in zip(dots, spread, strict=True)],
            mode="markers",
            marker={"size": 5, "color": "rgba(128,128,128,0.75)", "line": {"width": 0.5, "color": "white"}},
            hovertemplate="another place: %{x:.2f}<extra></extra>",
        )
    unit = "probability (%)" if chosen.by_probability else "score"
    title = {
        "removal": f"How far the {unit} falls without it",
        "alone": f"How far the {unit} rises with it alone",
        "share": f"Its Shapley share of the {unit}",
    }[chosen.reading]
    figure.update_layout(
        title={"text": title, "font": {"size": 19 if enlarged else 13.5}, "x": 0, "xref": "container"},
        font={"size": 17 if enlarged else 12},
        height=96 + 34 * len(names),
        margin={"l": 8, "r": 16, "t": 42 if enlarged else 34, "b": 8},
        showlegend=False,
    )
    figure.update_xaxes(zeroline=True, zerolinecolor="rgba(128,128,128,0.9)", zerolinewidth=1.5)
    figure.update_yaxes(tickvals=[*range(len(names))], ticktext=names, range=[-0.6, len(names) - 0.4], showgrid=False)
    return figure


def _lay_out_bars(figure: go.Figure, title: str, height: int, highest: float) -> None:
    figure.update_layout(
        title={"text": title, "font": {"size": 13.5}, "x": 0, "xref": "container"},
        height=height,
        margin={"l": 8, "r": 34, "t": 30, "b": 8},
    )
    # Room for the number beside the longest bar.
    figure.update_xaxes(range=[0, 1.12 * highest], showticklabels=False, showgrid=False, zeroline=False)
    figure.update_yaxes(type="category")


def shorten_names(labels: Sequence[str]) -> list[str]:
    """Names short enough for an axis, and still different from one another: plotly puts equal ones on one line."""
    short = [name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…" for name in labels]
    # plotly reads a little HTML in names.
    safe = [name.replace("&", "&amp;").replace("<", "&lt;") for name in short]
    return [f"{name} ({index})" if safe.count(name) > 1 else name for index, name in enumerate(safe)]
