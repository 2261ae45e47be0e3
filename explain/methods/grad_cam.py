"""Grad-CAM: the activations of a layer, weighted by how much the class's score rises with each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor


def weigh_channels(capture: LayerCapture, settings: Settings) -> tuple[Tensor, Tensor]:
    """`α_k`, the spatial mean of `∂y_c/∂A_k` (equation 1), and `A_k`."""
    return capture.need_gradients().mean(capture.space, keepdim=True), capture.activations


@method(
    name="grad-cam",
    title="Grad-CAM",
    sentence="Where the layer's features raise the score of the class.",
    paper="Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, "
    "ICCV 2017, arXiv 1610.02391",
    group="gradient",
    needs={"gradients"},
    formula=Formula(
        latex=r"L(p) = \sum_k \alpha_k \, A_k(p)",
        weight=r"\alpha_k",
        where=r"\alpha_k = \frac{1}{h w} \sum_{i,j} \frac{\partial y_c}{\partial A_k(i,j)}",
        split=weigh_channels,
    ),
)
def grad_cam(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`L = Σ_k α_k A_k` with `α_k` the spatial mean of `∂y_c/∂A_k` (equations 1 and 2; the ReLU is the renderer's)."""
    weights, activations = weigh_channels(capture, settings)
    return MethodResult((weights * activations).sum(0))
