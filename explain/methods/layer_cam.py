"""Layer-CAM: activations weighted place by place by the gradients that speak for the class."""

from explain.capture import LayerCapture
from explain.methods.base import MethodResult, Settings, method


@method(
    name="layer-cam",
    title="Layer-CAM",
    sentence="Where features that raise the score of the class are active, in fine detail even at early layers.",
    paper="Jiang et al., LayerCAM: Exploring Hierarchical Class Activation Maps for Localization, IEEE Transactions on "
    "Image Processing 30, 2021, doi 10.1109/TIP.2021.3089943",
    group="gradient",
    needs="gradients",
)
def layer_cam(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`L = Σ_k ReLU(g_k) ⊙ A_k` (equations 6 to 8; the ReLU of the sum is the renderer's)."""
    assert capture.gradients is not None
    return MethodResult((capture.gradients.relu() * capture.activations).sum(0))
