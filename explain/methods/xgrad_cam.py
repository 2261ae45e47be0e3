"""XGrad-CAM: Grad-CAM whose gradients are averaged with the activations as weights."""

from explain.capture import LayerCapture
from explain.methods.base import MethodResult, Settings, method


@method(
    name="xgrad-cam",
    title="XGrad-CAM",
    sentence="Where the layer's features raise the score of the class, each gradient counting as its place is active.",
    paper="Fu et al., Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs, BMVC 2020, "
    "arXiv 2008.02312",
    group="gradient",
    needs="gradients",
)
def xgrad_cam(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`w_k = Σ_ij (A_kij / ΣA_k) g_kij` (equation 8), 0 where the activations of a channel cancel out or are none."""
    assert capture.gradients is not None
    activations = capture.activations
    totals = activations.sum((1, 2))
    sound = totals.abs() > 1e-6 * activations.abs().sum((1, 2))
    weights = ((activations * capture.gradients).sum((1, 2)) / totals).where(sound, 0)
    return MethodResult((weights[:, None, None] * activations).sum(0))
