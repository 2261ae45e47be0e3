"""What is explained, in a line: class, model and layer, named wherever maps are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.words import format_answer
from explain.engine.explanation import PictureExplanation
from explain.maps.heatmap import Heatmap
from explain.methods import get_method
from explain.networks.layer import describe_grid
from explain.networks.meaning import Outputs
from explain.passes.look import Score

if TYPE_CHECKING:
    from explain.networks.layer import Layer

_BEST: dict[Outputs, str] = {
    "classes": ", the likeliest class",
    "findings": ", the likeliest finding",
    "logit": ", the likelier answer",
    "value": "",
}


def describe_explained(
    entry: PictureExplanation, model: str, score: Score = "logit", layer: Layer | None = None
) -> str:
    """Class, model and layer of a picture's maps.

    Args:
        entry: what the engine answered.
        model: the model's name.
        score: what of the class is explained; that it is the probability is said.
        layer: the one shown, where more were asked; left out, all.
    """
    layers = describe_layers(entry) if layer is None else [f"layer {layer.name}, {layer.describe_grid()} cells"]
    return " · ".join([describe_target(entry), *say_score(score), model, *layers])


def describe_target(entry: PictureExplanation) -> str:
    """The class explained and how likely the model finds it."""
    answer = next((format_answer(p) for p in entry.predictions if p.index == entry.targets[0]), None)
    share = "" if answer is None else f" ({answer})"
    best = _BEST[entry.outputs] if entry.predictions[0].index == entry.targets[0] else ""
    return f"Explained: {entry.labels[0]}{share}{best}"


def describe_layers(entry: PictureExplanation) -> list[str]:
    """The layers looked at, with the cells of the map, where a method of this answer looks at one."""
    grid = next((describe_grid(m.grid) for m in entry.maps if _looks_at_layer(m)), None)
    names = " + ".join(entry.layers)
    return [] if grid is None else [f"{'layers' if len(entry.layers) > 1 else 'layer'} {names}, {grid} cells"]


def _looks_at_layer(heatmap: Heatmap) -> bool:
    return get_method(heatmap.method).place == "layer"


def say_score(score: Score) -> list[str]:
    """That it is the probability of the class that is explained; nothing of the score, which is what is meant."""
    return ["by its probability"] if score == "probability" else []
