"""Element-wise Grad-CAM: only what speaks for the class, channel by channel and place by place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor


def weigh_places(capture: LayerCapture, settings: Settings) -> tuple[Tensor, Tensor]:
    """`g_k` where it speaks for the class together with `A_k`, else 0; and `A_k`."""
    gradients = capture.need_gradients()
    return gradients.where(gradients * capture.activations > 0, 0), capture.activations


@method(
    name="element-wise-grad-cam",
    title="Element-wise Grad-CAM",
    sentence="What each place's features add to the score of the class, leaving out all that lowers it.",
    paper="Gildenblat and contributors, PyTorch library for CAM methods, 2021, method GradCAMElementWise",
    group="gradient",
    needs={"gradients"},
    formula=Formula(
        latex=r"L(p) = \sum_k \max\!\left(0,\; g_k(p) \, A_k(p)\right)",
        where=r"g_k(p) = \frac{\partial y_c}{\partial A_k(p)}",
        says="A channel that would lower the score at this cell is left out there.",
        weight=r"g_k(p)",
        split=weigh_places,
    ),
)
def element_wise_grad_cam(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`L = Σ_k ReLU(g_k ⊙ A_k)`. There is no paper; the library that made it up is its source."""
    return MethodResult((capture.need_gradients() * capture.activations).relu().sum(0))
