"""Grad-CAM: the activations of a layer, weighted by how much the class's score rises with each channel."""

from explain.capture import LayerCapture
from explain.methods.base import MethodResult, Settings, method


@method(
    name="grad-cam",
    title="Grad-CAM",
    sentence="Where the layer's features raise the score of the class.",
    paper="Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, "
    "ICCV 2017, arXiv 1610.02391",
    group="gradient",
    needs="gradients",
)
def grad_cam(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`L = Σ_k α_k A_k` with `α_k` the spatial mean of `∂y_c/∂A_k` (equations 1 and 2; the ReLU is the renderer's)."""
    assert capture.gradients is not None
    weights = capture.gradients.mean(dim=(1, 2))
    return MethodResult((weights[:, None, None] * capture.activations).sum(0))
