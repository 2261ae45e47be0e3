"""Guided Grad-CAM: the detail of guided backpropagation, where Grad-CAM says the class is."""

from __future__ import annotations

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.methods.grad_cam import grad_cam
from explain.methods.guided_backpropagation import GuidedBackpropagationSettings, join_channels
from explain.methods.space import enlarge
from explain.passes.capture import LayerCapture


@method(
    name="guided-grad-cam",
    title="Guided Grad-CAM",
    sentence="Fine detail of guided backpropagation, kept only where Grad-CAM finds the class.",
    paper="Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, "
    "ICCV 2017, arXiv 1610.02391, section 3.2",
    group="fine detail",
    painting="fine",
    needs={"gradients", "runner"},
    settings=GuidedBackpropagationSettings,
    count_passes=lambda _layer, _settings: 1,
    formula=Formula(
        r"L(p) = \max\!\left(0, L_{\text{Grad-CAM}}(p)\right) \cdot L_{\text{guided backpropagation}}(p)",
        says="Grad-CAM, enlarged to the picture, decides where; guided backpropagation draws the detail.",
    ),
)
def guided_grad_cam(capture: LayerCapture, settings: GuidedBackpropagationSettings) -> MethodResult:
    """`ReLU(Grad-CAM)`, enlarged bilinearly to the picture, times guided backpropagation (section 3.2 of the paper).

    Raises:
        MethodError: the network has no ReLUs, or too few.
    """
    runner = capture.need_runner()
    runner.expect(1)
    coarse = grad_cam(capture, settings).values.relu()
    fine = join_channels(runner.guided_gradients(), settings.channels)
    return MethodResult(fine * enlarge(coarse[None, None], fine.shape)[0, 0])
