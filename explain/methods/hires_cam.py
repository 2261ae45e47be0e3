"""HiRes-CAM: gradient times activation, place by place."""

from explain.capture import LayerCapture
from explain.methods.base import MethodResult, Settings, method


@method(
    name="hires-cam",
    title="HiRes-CAM",
    sentence="What each place's features add to the score of the class, without averaging the gradients.",
    paper="Draelos and Carin, Use HiResCAM instead of Grad-CAM for Faithful Explanations of Convolutional Neural "
    "Networks, 2020, arXiv 2011.08891",
    group="gradient",
    needs="gradients",
)
def hires_cam(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`L = Σ_k g_k ⊙ A_k` (section 3.3 of the paper)."""
    assert capture.gradients is not None
    return MethodResult((capture.gradients * capture.activations).sum(0))
