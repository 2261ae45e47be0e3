"""Occlusion: a window moves over the picture, and the map says how far the score falls under it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.methods.space import enlarge
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor

    from explain.networks.layer import Layer

Fill = Literal["grey", "blur"]
"""What stands in for what is hidden: the zero of the model's input, usually the mean colour of the pictures it learned
from, or the picture itself, blurred beyond recognition."""

_WINDOWS_AT_ONCE = 64


class OcclusionSettings(Settings):
    """The window that hides part of the picture: how large it is, how it moves, what fills it."""

    window: float = setting(
        20.0,
        "Window",
        "Side of the window that hides a part, a square or in a volume a box. Small ones show detail, large ones hide "
        "whole objects.",
        unit="% of the side",
        low=4.0,
        high=60.0,
        step=1.0,
    )
    stride: float = setting(
        8.0,
        "Stride",
        "How far the window moves each time, at most its own side. Small ones give a smoother map and take longer.",
        unit="% of the side",
        low=2.0,
        high=30.0,
        step=1.0,
    )
    fill: Fill = setting(
        "grey",
        "Filled with",
        "“grey”: the model's zero. “blur”: the input itself, blurred, which looks less like something unheard of.",
    )


def _count_passes(layer: Layer, settings: OcclusionSettings) -> int:
    steps = -(-(100 - settings.window) // min(settings.stride, settings.window)) + 1
    return int(steps) ** len(layer.grid) + 1


@method(
    name="occlusion",
    title="Occlusion",
    sentence="How far the score of the class falls when a window hides this place.",
    paper="Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, arXiv 1311.2901",
    group="gradient-free",
    needs={"activations", "runner"},
    settings=OcclusionSettings,
    place="input",
    count_passes=_count_passes,
    formula=Formula(
        r"L(p) = \frac{1}{|W_p|} \sum_{w \in W_p} \left(y_c(x) - y_c(x_w)\right)",
        r"W_p = \text{all windows that cover } p, \quad x_w = \text{the input with the window } w \text{ hidden}",
        "How far the score falls, averaged over the windows that hide this place.",
    ),
)
def occlusion(capture: LayerCapture, settings: OcclusionSettings) -> MethodResult:
    """The mean over all windows that cover a place of `f(x) - f(x hidden)` (section 4.2 of the paper), by captum."""
    from captum.attr import Occlusion

    runner = capture.need_runner()
    picture = runner.picture
    sides = picture.shape[2:]
    window = [max(1, round(side * settings.window / 100)) for side in sides]
    stride = [min(max(1, round(side * settings.stride / 100)), own) for side, own in zip(sides, window, strict=True)]
    counts = [-(-(side - own) // step) + 1 for side, own, step in zip(sides, window, stride, strict=True)]
    runner.expect(math.prod(counts) + 1)
    falls = Occlusion(lambda pictures: runner.scores(lambda rows: pictures[rows.start : rows.stop], len(pictures)))
    values = falls.attribute(
        picture,
        sliding_window_shapes=(picture.shape[1], *window),
        strides=(picture.shape[1], *stride),
        baselines=make_baseline(picture, settings.fill),
        perturbations_per_eval=_WINDOWS_AT_ONCE,
    )
    # Every channel is hidden together, and so has the same map.
    return MethodResult(values[0, 0].float())


def make_baseline(picture: Tensor, fill: Fill) -> Tensor:
    """What stands in for a picture `(1, C, H, W)`, or a volume, where it is hidden, in the same shape."""
    import torch
    from torch.nn.functional import interpolate

    if fill == "grey":
        return torch.zeros_like(picture)
    sides = picture.shape[2:]
    return enlarge(interpolate(picture, (4,) * len(sides), mode="area"), sides)
