"""CAM: the first of them, for networks that end in a global average and one linear layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.methods.space import stand_before
from explain.passes.capture import LayerCapture
from explain.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor


def weigh_channels(capture: LayerCapture, settings: Settings) -> tuple[Tensor, Tensor]:
    """`w_ck` (equation 2) and `A_k`."""
    return stand_before(capture.need_head()[capture.target], capture.activations), capture.activations


@method(
    name="cam",
    title="CAM",
    sentence="What each place adds to the score of the class, read from the weights of the network's last layer.",
    paper="Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016, arXiv 1512.04150",
    group="gradient-free",
    needs={"activations", "head"},
    formula=Formula(
        latex=r"L(p) = \sum_k w_k^c \, A_k(p)",
        where=r"w_k^c = \text{weight of channel } k \text{ for the class, in the last layer}",
        says="The mean of the map over all cells is the score of the class, but for a constant (the bias).",
        weight=r"w_k^c",
        split=weigh_channels,
    ),
)
def cam(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`M_c = Σ_k w_ck A_k` (equation 2), whose mean over places is the logit of the class but for its bias."""
    weights, activations = weigh_channels(capture, settings)
    return MethodResult((weights * activations).sum(0))
