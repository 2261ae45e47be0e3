"""Shapley-CAM: Grad-CAM with a second-order term, after the Shapley values of the layer's places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from explain.errors import MethodError
from explain.methods.base import MethodResult, method
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


@method(
    name="shapley-cam",
    title="Shapley-CAM",
    sentence="Where the layer's features raise the score of the class, corrected for how its slope changes.",
    paper="Cai, CAMs as Shapley Value-based Explainers, 2025, arXiv 2501.06261",
    group="gradient",
    needs={"gradients", "curvature"},
    settings=ShapleyCamSettings,
    objective=lambda settings: Utility(settings.utility == "residual softmax"),
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
    curvature = capture.need_curvature()
    weights = (capture.need_gradients() - 0.5 * curvature).mean((1, 2), keepdim=True)
    warnings: tuple[str, ...] = ()
    if not curvature.any():
        warnings = (
            "The score is linear in this layer's activations, so this is the map of Grad-CAM: explain the residual "
            "softmax, or choose an earlier layer.",
        )
    return MethodResult((weights * capture.activations).sum(0), warnings)
