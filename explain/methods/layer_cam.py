"""Layer-CAM: activations weighted place by place by the gradients that speak for the class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor


def weigh_places(capture: LayerCapture, settings: Settings) -> tuple[Tensor, Tensor]:
    """`ReLU(g_k)` (equation 6) and `A_k`, place by place."""
    return capture.need_gradients().relu(), capture.activations


@method(
    name="layer-cam",
    title="Layer-CAM",
    sentence="Where features that raise the score of the class are active, in fine detail even at early layers.",
    paper="Jiang et al., LayerCAM: Exploring Hierarchical Class Activation Maps for Localization, IEEE Transactions on "
    "Image Processing 30, 2021, doi 10.1109/TIP.2021.3089943",
    group="gradient",
    needs={"gradients"},
    formula=Formula(
        latex=r"L(p) = \sum_k w_k(p) \, A_k(p)",
        weight=r"w_k(p)",
        where=r"w_k(p) = \max\!\left(0, \frac{\partial y_c}{\partial A_k(p)}\right)",
        split=weigh_places,
    ),
)
def layer_cam(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`L = Σ_k ReLU(g_k) ⊙ A_k` (equations 6 to 8; the ReLU of the sum is the renderer's)."""
    weights, activations = weigh_places(capture, settings)
    return MethodResult((weights * activations).sum(0))
