"""FEM: how many strong channels are unusually active at a place, whatever the class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor


class FemSettings(Settings):
    """What counts as unusual in a channel, and what is added up of it."""

    k: float = setting(
        2.0,
        "Threshold k",
        "A place of a channel counts as unusual when it lies more than this many standard deviations above the mean.",
        unit="standard deviations",
        low=0.0,
        high=5.0,
        step=0.1,
    )
    combine: Literal["masks", "activations"] = setting(
        "masks",
        "What is added up",
        "Masks: the unusual places of each channel, weighted by the channel's mean, as in the paper. Activations: the "
        "channels themselves, weighted by their share of unusual places, as in pytorch-grad-cam.",
        advanced=True,
    )


def weigh_channels(capture: LayerCapture, settings: FemSettings) -> tuple[Tensor, Tensor]:
    """`μ_k` and `B_k`, 1 where `A_k > μ_k + k σ_k`; or each channel's share of such places, and the channel.

    In a channel that is the same everywhere no place is unusual, whatever rounding makes of it.
    """
    activations = capture.activations
    means = activations.mean(capture.space, keepdim=True)
    deviations = activations - means
    spread = deviations.square().mean(capture.space, keepdim=True).sqrt()
    unusual = ((deviations > settings.k * spread) & (spread > 1e-6 * means.abs())).to(activations.dtype)
    if settings.combine == "activations":
        return unusual.mean(capture.space, keepdim=True), activations
    return means, unusual


def _write_latex(settings: FemSettings) -> str:
    if settings.combine == "activations":
        return r"L(p) = \sum_k s_k \, A_k(p)"
    return r"L(p) = \sum_k \mu_k \, B_k(p)"


def _write_where(settings: FemSettings) -> str:
    unusual = rf"B_k(p) = 1 \text{{ where }} A_k(p) > \mu_k + {settings.k:g}\,\sigma_k, \text{{ else }} 0"
    if settings.combine == "activations":
        return unusual + r", \quad s_k = \text{mean of } B_k"
    return unusual + r", \quad \mu_k, \sigma_k = \text{mean and deviation of } A_k"


@method(
    name="fem",
    title="FEM",
    sentence="Where the layer's strong channels are unusually active, for no class in particular.",
    paper="Fuad et al., Features Understanding in 3D CNNs for Actions Recognition in Video (Feature Explanation "
    "Method), IPTA 2020, HAL hal-02963298",
    group="gradient-free",
    needs={"activations"},
    class_agnostic=True,
    settings=FemSettings,
    formula=Formula(
        _write_latex,
        _write_where,
        "A channel adds its mean at its own few strongest cells, and nothing elsewhere.",
        weight=lambda settings: r"\mu_k" if settings.combine == "masks" else "s_k",
        weighed=lambda settings: "B_k(p)" if settings.combine == "masks" else "A_k(p)",
        split=weigh_channels,
    ),
)
def fem(capture: LayerCapture, settings: FemSettings) -> MethodResult:
    """`L = Σ_k μ_k B_k`, where `B_k` is 1 where `A_k > μ_k + k σ_k` and else 0, with mean and deviation over space."""
    weights, weighed = weigh_channels(capture, settings)
    return MethodResult((weights * weighed).sum(0))
