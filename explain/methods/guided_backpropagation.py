"""Guided backpropagation: the gradient at the pixels, letting only what is positive through every ReLU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor

Channels = Literal["strongest", "sum"]


class GuidedBackpropagationSettings(Settings):
    """How the gradients of the colour channels become one map."""

    channels: Channels = setting(
        "strongest",
        "Colours",
        "How the gradients of the colour channels become one map. “strongest”: the greatest magnitude, so that opposed "
        "colours do not cancel out. “sum”: their sum, with its sign.",
        advanced=True,
    )


@method(
    name="guided-backpropagation",
    title="Guided backpropagation",
    sentence="Fine edges and textures that the network responds to; it depends on the class only a little.",
    paper="Springenberg et al., Striving for Simplicity: The All Convolutional Net, ICLR Workshop 2015, "
    "arXiv 1412.6806",
    group="fine detail",
    painting="fine",
    needs={"activations", "runner"},
    settings=GuidedBackpropagationSettings,
    place="input",
    count_passes=lambda _layer, _settings: 1,
    formula=Formula(
        r"L(p) = \max_{\text{colours}} |R_0(p)|",
        r"R_l = 1[A_l > 0] \; 1[R_{l+1} > 0] \; R_{l+1}, \quad R_n = \frac{\partial y_c}{\partial A_n}",
        "The gradient, handed down from the answer to the pixels, of which every ReLU lets only the positive pass.",
    ),
)
def guided_backpropagation(capture: LayerCapture, settings: GuidedBackpropagationSettings) -> MethodResult:
    """`R_l = 1[f_l > 0] · 1[R_{l+1} > 0] · R_{l+1}` at every ReLU (section 3.4), down to the pixels.

    Raises:
        MethodError: the network has no ReLUs, or too few.
    """
    runner = capture.need_runner()
    runner.expect(1)
    return MethodResult(join_channels(runner.guided_gradients(), settings.channels))


def join_channels(gradients: Tensor, channels: Channels) -> Tensor:
    """Gradients `(C, H, W)` as one map `(H, W)`."""
    return gradients.abs().amax(0) if channels == "strongest" else gradients.sum(0)
