"""Ablation-CAM: each channel of a layer is weighted by how much the score falls without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.methods.space import stand_before
from explain.methods.strongest_channels import channels_setting, choose_channels, count_channels
from explain.passes.capture import LayerCapture
from explain.passes.look import PassPrecision
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor


class AblationCamSettings(Settings):
    """Which channels are left out, and how exactly the network computes without them."""

    channels: int = channels_setting()
    precision: PassPrecision = setting(
        "full", "Precision", "“half” computes in bfloat16: faster, and less exact.", advanced=True
    )


@method(
    name="ablation-cam",
    title="Ablation-CAM",
    sentence="Where those of the layer's features are without which the score of the class falls.",
    paper="Desai and Ramaswamy, Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free "
    "Localization, WACV 2020",
    group="gradient-free",
    needs={"activations", "runner"},
    settings=AblationCamSettings,
    count_passes=lambda layer, settings: count_channels(layer, settings.channels) + 1,
    after_layer=True,
    formula=Formula(
        r"L(p) = \sum_k w_k \, A_k(p)",
        r"w_k = \frac{y_c - y_c^{(A_k = 0)}}{|y_c|}",
        "A channel weighs as much as the score falls without it.",
    ),
)
def ablation_cam(capture: LayerCapture, settings: AblationCamSettings) -> MethodResult:
    """`L = Σ_k w_k A_k` with `w_k = (y - y_k) / y`, `y_k` the score with channel k set to zero (equations 3 and 4).

    Only what follows the layer is run. Divided is by `|y|`, because for a negative score the paper's formula would turn
    the map around. A channel that is zero already has no weight and takes no pass.
    """
    runner = capture.need_runner()
    chosen = choose_channels(capture.activations, settings.channels)
    kept = chosen[capture.activations[chosen].flatten(1).any(1)]

    def ablate(maps: Tensor, rows: range) -> None:
        for row, number in enumerate(rows):
            if number:  # the first is the picture as it is, at the same precision
                maps[row, kept[number - 1]] = 0

    runner.expect(len(kept) + 1)
    scores = runner.scores_after(ablate, len(kept) + 1, settings.precision)
    whole = scores[0]
    weights = (whole - scores[1:]) / (whole.abs() if whole else 1)
    return MethodResult((stand_before(weights, capture.activations) * capture.activations[kept]).sum(0))
