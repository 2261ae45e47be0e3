"""Grad-CAM++: like Grad-CAM, but a place counts for more where only few places raise the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor


class GradCamPlusPlusSettings(Settings):
    """What keeps the denominator of the weights away from zero."""

    absolute_eps: float = setting(
        0.0,
        "Absolute eps",
        "Added to the denominator of the weights, which is as small as a squared gradient, so that even a tiny value "
        "decides the map. The paper has none; pytorch-grad-cam adds 1e-6.",
        unit="squared gradient",
        low=0.0,
        high=1e-3,
        step=1e-6,
        advanced=True,
    )


def weigh_channels(capture: LayerCapture, settings: GradCamPlusPlusSettings) -> tuple[Tensor, Tensor]:
    """`w_k` (equations 7 and 19), 0 where g is 0, and `A_k`.

    The exponential of the score is left out, as the paper does for its ReLU'd logits. Without an absolute eps the
    fraction is reduced by g², and a denominator that cancels out to rounding noise gives 0.
    """
    raising = capture.need_gradients().relu()  # nothing else has a weight
    totals = capture.activations.sum(capture.space, keepdim=True)
    denominators = 2 + totals * raising
    if settings.absolute_eps:
        denominators += settings.absolute_eps / raising.square()
    shares = raising / denominators
    if (totals < 0).any():  # otherwise no denominator is below 2
        shares = shares.where(denominators.abs() > 1e-6 * (2 + (totals * raising).abs()), 0)
    return shares.sum(capture.space, keepdim=True), capture.activations


@method(
    name="grad-cam++",
    title="Grad-CAM++",
    sentence="Where the layer's features raise the score of the class, with several small objects seen as well as one.",
    paper="Chattopadhay et al., Grad-CAM++: Improved Visual Explanations for Deep Convolutional Networks, WACV 2018, "
    "arXiv 1710.11063",
    group="gradient",
    needs={"gradients"},
    settings=GradCamPlusPlusSettings,
    formula=Formula(
        latex=r"L(p) = \sum_k w_k \, A_k(p)",
        weight=r"w_k",
        where=r"w_k = \sum_{i,j} \frac{g^2}{2 g^2 + g^3 \sum A_k} \, \max(0, g)"
        r"\quad\text{with}\quad g = \frac{\partial y_c}{\partial A_k(i,j)}",
        split=weigh_channels,
    ),
)
def grad_cam_plus_plus(capture: LayerCapture, settings: GradCamPlusPlusSettings) -> MethodResult:
    """`L = Σ_k w_k A_k` with `w_k = Σ_ij α_kij ReLU(g_kij)`, `α = g² / (2 g² + ΣA_k · g³)` (equations 5, 7 and 19)."""
    weights, activations = weigh_channels(capture, settings)
    return MethodResult((weights * activations).sum(0))
