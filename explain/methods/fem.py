"""FEM: how many strong channels are unusually active at a place, whatever the class."""

from typing import Literal

from explain.methods.base import MethodResult, method
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting


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
)
def fem(capture: LayerCapture, settings: FemSettings) -> MethodResult:
    """`L = Σ_k μ_k B_k`, where `B_k` is 1 where `A_k > μ_k + k σ_k` and else 0, with mean and deviation over space.

    In a channel that is the same everywhere no place is unusual, whatever rounding makes of it.
    """
    activations = capture.activations
    means = activations.mean((1, 2), keepdim=True)
    deviations = activations - means
    spread = deviations.square().mean((1, 2), keepdim=True).sqrt()
    unusual = ((deviations > settings.k * spread) & (spread > 1e-6 * means.abs())).to(activations.dtype)
    if settings.combine == "activations":
        return MethodResult((unusual.mean((1, 2), keepdim=True) * activations).sum(0))
    return MethodResult((means * unusual).sum(0))
