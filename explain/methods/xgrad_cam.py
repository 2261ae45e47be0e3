"""XGrad-CAM: Grad-CAM whose gradients are averaged with the activations as weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor


def weigh_channels(capture: LayerCapture, settings: Settings) -> tuple[Tensor, Tensor]:
    """`w_k` (equation 8), 0 where the activations of a channel cancel out or are none, and `A_k`."""
    gradients, activations = capture.need_gradients(), capture.activations
    totals = activations.sum(capture.space, keepdim=True)
    sound = totals.abs() > 1e-6 * activations.abs().sum(capture.space, keepdim=True)
    weights = ((activations * gradients).sum(capture.space, keepdim=True) / totals).where(sound, 0)
    return weights, activations


@method(
    name="xgrad-cam",
    title="XGrad-CAM",
    sentence="Where the layer's features raise the score of the class, each gradient counting as its place is active.",
    paper="Fu et al., Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs, BMVC 2020, "
    "arXiv 2008.02312",
    group="gradient",
    needs={"gradients"},
    formula=Formula(
        latex=r"L(p) = \sum_k w_k \, A_k(p)",
        weight=r"w_k",
        where=r"w_k = \frac{\sum_{i,j} A_k(i,j) \, \partial y_c / \partial A_k(i,j)}{\sum_{i,j} A_k(i,j)}",
        split=weigh_channels,
    ),
)
def xgrad_cam(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`L = Σ_k w_k A_k` with `w_k = Σ_ij (A_kij / ΣA_k) g_kij` (equation 8)."""
    weights, activations = weigh_channels(capture, settings)
    return MethodResult((weights * activations).sum(0))
