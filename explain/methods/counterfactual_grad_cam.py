"""Counterfactual Grad-CAM: what stands against the class."""

from explain.capture import LayerCapture
from explain.methods.base import MethodResult, Settings, method


@method(
    name="counterfactual-grad-cam",
    title="Counterfactual Grad-CAM",
    sentence="Where the layer's features lower the score of the class, so that without them it would be likelier.",
    paper="Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, "
    "ICCV 2017, arXiv 1610.02391, section 3.3",
    group="gradient",
    needs="gradients",
    against=True,
)
def counterfactual_grad_cam(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`L = Σ_k α_k A_k` with `α_k` the spatial mean of the negated gradient `−∂y_c/∂A_k` (equation 3)."""
    assert capture.gradients is not None
    weights = -capture.gradients.mean((1, 2), keepdim=True)
    return MethodResult((weights * capture.activations).sum(0))
