"""Counterfactual Grad-CAM: what stands against the class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor


def weigh_channels(capture: LayerCapture, settings: Settings) -> tuple[Tensor, Tensor]:
    """`α_k`, the spatial mean of the negated gradient `−∂y_c/∂A_k` (equation 3), and `A_k`."""
    return -capture.need_gradients().mean(capture.space, keepdim=True), capture.activations


@method(
    name="counterfactual-grad-cam",
    title="Counterfactual Grad-CAM",
    sentence="Where the layer's features lower the score of the class, so that without them it would be likelier.",
    paper="Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, "
    "ICCV 2017, arXiv 1610.02391, section 3.3",
    group="gradient",
    needs={"gradients"},
    against=True,
    formula=Formula(
        latex=r"L(p) = \sum_k \alpha_k \, A_k(p)",
        weight=r"\alpha_k",
        where=r"\alpha_k = \frac{1}{h w} \sum_{i,j} -\frac{\partial y_c}{\partial A_k(i,j)}",
        split=weigh_channels,
    ),
)
def counterfactual_grad_cam(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`L = Σ_k α_k A_k` with `α_k` the spatial mean of the negated gradient `−∂y_c/∂A_k` (equation 3)."""
    weights, activations = weigh_channels(capture, settings)
    return MethodResult((weights * activations).sum(0))
