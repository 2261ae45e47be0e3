"""EigenGrad-CAM: the strongest pattern of gradient times activation."""

from explain.methods.base import MethodResult, method
from explain.methods.eigen_cam import EigenCamSettings, find_first_pattern
from explain.passes.capture import LayerCapture


@method(
    name="eigengrad-cam",
    title="EigenGrad-CAM",
    sentence="The strongest pattern among what the layer's features add to the score of the class.",
    paper="Gildenblat and contributors, PyTorch library for CAM methods, 2021, method EigenGradCAM; after Muhammad and "
    "Yeasin, Eigen-CAM, IJCNN 2020, arXiv 2008.00299",
    group="gradient",
    needs={"gradients"},
    settings=EigenCamSettings,
)
def eigen_grad_cam(capture: LayerCapture, settings: EigenCamSettings) -> MethodResult:
    """Eigen-CAM of `g ⊙ A` in place of `A`. Its sign agrees with the mean of `g ⊙ A`, and so with HiRes-CAM.

    Raises:
        MethodError: activations or gradients are not finite.
    """
    products = capture.need_gradients() * capture.activations
    return find_first_pattern(products, settings.centre, capture, "EigenGrad-CAM")
