"""HiRes-CAM: gradient times activation, place by place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor


def weigh_places(capture: LayerCapture, settings: Settings) -> tuple[Tensor, Tensor]:
    """`g_k` and `A_k`, place by place."""
    return capture.need_gradients(), capture.activations


@method(
    name="hires-cam",
    title="HiRes-CAM",
    sentence="What each place's features add to the score of the class, without averaging the gradients.",
    paper="Draelos and Carin, Use HiResCAM instead of Grad-CAM for Faithful Explanations of Convolutional Neural "
    "Networks, 2020, arXiv 2011.08891",
    group="gradient",
    needs={"gradients"},
    formula=Formula(
        latex=r"L(p) = \sum_k g_k(p) \, A_k(p)",
        weight=r"g_k(p)",
        where=r"g_k(p) = \frac{\partial y_c}{\partial A_k(p)}",
        split=weigh_places,
    ),
)
def hires_cam(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`L = Σ_k g_k ⊙ A_k` (section 3.3 of the paper)."""
    gradients, activations = weigh_places(capture, settings)
    return MethodResult((gradients * activations).sum(0))
