"""Element-wise Grad-CAM: only what speaks for the class, channel by channel and place by place."""

from explain.methods.base import MethodResult, method
from explain.passes.capture import LayerCapture
from explain.settings import Settings


@method(
    name="element-wise-grad-cam",
    title="Element-wise Grad-CAM",
    sentence="What each place's features add to the score of the class, leaving out all that lowers it.",
    paper="Gildenblat and contributors, PyTorch library for CAM methods, 2021, method GradCAMElementWise",
    group="gradient",
    needs={"gradients"},
)
def element_wise_grad_cam(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`L = Σ_k ReLU(g_k ⊙ A_k)`. There is no paper; the library that made it up is its source."""
    return MethodResult((capture.need_gradients() * capture.activations).relu().sum(0))
