"""NormGrad: how much each place would change the weights, were the layer trained on this picture."""

from typing import Literal

from explain.methods.base import MethodResult, method
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting


class NormGradSettings(Settings):
    """Which layer is thought to be inserted and trained."""

    inserted: Literal["convolution", "scaling", "bias"] = setting(
        "convolution",
        "Inserted layer",
        "The identity layer whose weights would be trained: a 1×1 convolution, a scale for each channel, or a bias.",
        advanced=True,
    )


@method(
    name="normgrad",
    title="NormGrad",
    sentence="Which places would change the layer's weights most, were it trained for the class on this picture.",
    paper="Rebuffi et al., There and Back Again: Revisiting Backpropagation Saliency Methods, CVPR 2020, "
    "arXiv 2004.02866",
    group="gradient",
    needs={"gradients"},
    settings=NormGradSettings,
)
def normgrad(capture: LayerCapture, settings: NormGradSettings) -> MethodResult:
    """Norm of what each place u adds to the gradient of the weights of an identity layer put in here (section 3).

    Of a 1×1 convolution that is the outer product `g_u x_uᵀ`, whose Frobenius norm is `‖g_u‖ ‖x_u‖`; of a scaling
    `g_u ⊙ x_u`; of a bias `g_u`. Never negative.
    """
    gradients = capture.need_gradients()
    if settings.inserted == "scaling":
        return MethodResult((gradients * capture.activations).norm(dim=0))
    norms = gradients.norm(dim=0)
    return MethodResult(norms if settings.inserted == "bias" else norms * capture.activations.norm(dim=0))
