"""EigenGrad-CAM: the strongest pattern of gradient times activation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from explain.methods.base import MethodResult, method
from explain.methods.eigen_cam import EigenCamSettings, find_first_pattern, split_pattern, write_formula
from explain.passes.capture import LayerCapture

if TYPE_CHECKING:
    from torch import Tensor


def weigh_channels(capture: LayerCapture, settings: EigenCamSettings) -> tuple[Tensor, Tensor]:
    """The first right singular vector of `g ⊙ A`, and those products that it weighs."""
    products = capture.need_gradients() * capture.activations
    return split_pattern(products, settings.centre, capture, "EigenGrad-CAM")


@method(
    name="eigengrad-cam",
    title="EigenGrad-CAM",
    sentence="The strongest pattern among what the layer's features add to the score of the class.",
    paper="Gildenblat and contributors, PyTorch library for CAM methods, 2021, method EigenGradCAM; after Muhammad and "
    "Yeasin, Eigen-CAM, IJCNN 2020, arXiv 2008.00299",
    group="gradient",
    needs={"gradients"},
    settings=EigenCamSettings,
    formula=replace(write_formula("(g_k A_k)"), split=weigh_channels),
)
def eigen_grad_cam(capture: LayerCapture, settings: EigenCamSettings) -> MethodResult:
    """Eigen-CAM of `g ⊙ A` in place of `A`. Its sign agrees with the mean of `g ⊙ A`, and so with HiRes-CAM.

    Raises:
        MethodError: activations or gradients are not finite.
    """
    products = capture.need_gradients() * capture.activations
    return find_first_pattern(products, settings.centre, capture, "EigenGrad-CAM")
