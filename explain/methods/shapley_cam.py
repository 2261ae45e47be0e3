"""Shapley-CAM: Grad-CAM with a second-order term, after the Shapley values of the layer's places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from explain.errors import MethodError
from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor


class ShapleyCamSettings(Settings):
    """Which score is explained."""

    utility: Literal["score", "residual softmax"] = setting(
        "score",
        "What is explained",
        "The score of the class, or the paper's residual softmax: the score plus the logarithm of its softmax, which "
        "bends even where only a linear layer follows.",
    )


@dataclass(frozen=True)
class Utility:
    """What Shapley-CAM differentiates: the score of the class, or the residual softmax of section 4.3."""

    residual: bool

    def __call__(self, scores: Tensor, target: int) -> Tensor:
        return scores[target] + scores.log_softmax(0)[target] if self.residual else scores[target]


def weigh_channels(capture: LayerCapture, settings: ShapleyCamSettings) -> tuple[Tensor, Tensor]:
    """`w_k`, the spatial mean of `g − ½ H A` in channel k, and `A_k`."""
    weights = (capture.need_gradients() - 0.5 * capture.need_curvature()).mean(capture.space, keepdim=True)
    return weights, capture.activations


def _write_where(settings: ShapleyCamSettings) -> str:
    score = r"y = y_c + \log \operatorname{softmax}(y)_c" if settings.utility != "score" else r"y = y_c"
    return (
        r"w_k = \frac{1}{h w} \sum_{i,j} \left(g - \tfrac{1}{2} H A\right)_k(i,j), \quad "
        rf"g = \frac{{\partial y}}{{\partial A}}, \; H = \frac{{\partial^2 y}}{{\partial A^2}}, \; {score}"
    )


@method(
    name="shapley-cam",
    title="Shapley-CAM",
    sentence="Where the layer's features raise the score of the class, corrected for how its slope changes.",
    paper="Cai, CAMs as Shapley Value-based Explainers, 2025, arXiv 2501.06261",
    group="gradient",
    needs={"gradients", "curvature"},
    settings=ShapleyCamSettings,
    objective=lambda settings: Utility(settings.utility == "residual softmax"),
    formula=Formula(
        r"L(p) = \sum_k w_k \, A_k(p)",
        _write_where,
        "Grad-CAM's weights, less half of what the slope changes on the way to no activation at all.",
        split=weigh_channels,
    ),
)
def shapley_cam(capture: LayerCapture, settings: ShapleyCamSettings) -> MethodResult:
    """`L = Σ_k w_k A_k`, with `w_k` the spatial mean of `g − ½ H A` in channel k.

    These are the Shapley values of the layer's activations where the score is expanded to second order.
    """
    if settings.utility == "residual softmax" and capture.outputs != "classes":
        raise MethodError(
            "The residual softmax of Shapley-CAM is for classes that exclude each other, and this model's outputs are "
            "none. Explain the score."
        )
    weights, activations = weigh_channels(capture, settings)
    warnings: tuple[str, ...] = ()
    if not capture.need_curvature().any():
        warnings = (
            "The score is linear in this layer's activations, so this is the map of Grad-CAM: explain the residual "
            "softmax, or choose an earlier layer.",
        )
    return MethodResult((weights * activations).sum(0), warnings)
