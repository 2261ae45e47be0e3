"""Smooth Grad-CAM++: Grad-CAM++ with gradients averaged over noisy copies of the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor


class SmoothGradCamPlusPlusSettings(Settings):
    """The noisy copies of the picture: how many, how noisy, and by which dice."""

    copies: int = setting(
        16,
        "Noisy copies",
        "Over how many noisy copies gradients are averaged. More: a calmer map, in proportionally more time.",
        low=2,
        high=128,
        step=1,
    )
    noise: float = setting(
        15.0,
        "Noise",
        "Standard deviation of the noise, as a percentage of the span between the input's lowest and highest value.",
        unit="% of the span",
        low=0.0,
        high=50.0,
        step=1.0,
    )
    seed: int = setting(0, "Seed", "Another seed, another noise.", low=0, high=9999, step=1, advanced=True)


@method(
    name="smooth-grad-cam++",
    title="Smooth Grad-CAM++",
    sentence="Grad-CAM++ with gradients averaged over noisy copies of the input, so that chance details cancel out.",
    paper="Omeiza et al., Smooth Grad-CAM++: An Enhanced Inference Level Visualization Technique for Deep "
    "Convolutional Neural Network Models, 2019, arXiv 1908.01224",
    group="gradient",
    needs={"activations", "runner"},
    settings=SmoothGradCamPlusPlusSettings,
    count_passes=lambda _layer, settings: settings.copies,
    formula=Formula(
        r"L(p) = \sum_k w_k \, A_k(p)",
        r"w_k = \sum_{i,j} \frac{D_2}{2 D_2 + D_3 \sum A_k} \max(0, D_1), \quad "
        r"D_n = \frac{1}{N} \sum_{m=1}^{N} "
        r"\left(\frac{\partial y_c}{\partial A_k(i,j)}\right)^{\!n}\!(x + \varepsilon_m)",
        "Grad-CAM++ with each gradient averaged over noisy copies of the input.",
    ),
)
def smooth_grad_cam_plus_plus(capture: LayerCapture, settings: SmoothGradCamPlusPlusSettings) -> MethodResult:
    """`L = Σ_k w_k A_k`, `w_k = Σ_ij α_ij ReLU(D1_ij)`, `α = D2 / (2·D2 + Σ_ab A_ab · D3)` (section 3 of the paper).

    `D1`, `D2` and `D3` are the mean over the copies of the gradient and its powers, which stand for the higher
    derivatives of an exponential of the score, as in Grad-CAM++. The activations are those of the clean picture. Where
    the denominator vanishes, so does `α`.
    """
    import torch

    runner = capture.need_runner()
    picture = runner.picture
    generator = torch.Generator().manual_seed(settings.seed)
    deviation = settings.noise / 100 * (picture.max() - picture.min())

    def make(rows: range) -> Tensor:
        noise = torch.stack([torch.randn(picture.shape[1:], generator=generator) for _ in rows])
        return picture + deviation * noise.to(picture)

    runner.expect(settings.copies)
    sums = [torch.zeros_like(capture.activations, dtype=torch.float64, device="cpu") for _ in range(3)]
    for gradients in runner.layer_gradients(make, settings.copies):
        for gradient in gradients.cpu().double():
            for power, total in enumerate(sums, 1):
                total += gradient**power
    first, second, third = (total / settings.copies for total in sums)
    activations = capture.activations.cpu().double()
    denominator = 2 * second + (activations.sum(dim=capture.space, keepdim=True) * third)
    smallest = 1e-12 * denominator.abs().max()
    alpha = torch.where(denominator.abs() > smallest, second / denominator, torch.zeros_like(second))
    weights = (alpha * first.relu()).sum(dim=capture.space, keepdim=True)
    return MethodResult((weights * activations).sum(0).float())
