"""KPCA-CAM: Eigen-CAM with a kernel, so that the strongest pattern need not be a linear one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from explain.errors import MethodError
from explain.methods.base import MethodResult, method
from explain.methods.eigen_cam import choose_sign, find_first_eigenvector, read_places
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor

MOST_PLACES = 4096
"""A kernel compares each place with each other: at 64×64 that is 128 MB."""

Kernel = Literal["sigmoid", "rbf", "poly", "linear", "cosine"]


class KpcaCamSettings(Settings):
    """How two places of a layer are compared."""

    kernel: Kernel = setting(
        "sigmoid",
        "Kernel",
        "How two places are compared: sigmoid, radial basis function (rbf), polynomial of degree 3 (poly), linear, "
        "which is Eigen-CAM, or cosine.",
    )
    gamma: float = setting(
        1.0,
        "Gamma",
        "Scale of the sigmoid, rbf and polynomial kernels, in units of one over the number of channels.",
        unit="1 / channels",
        low=0.001,
        high=100.0,
        step=0.001,
        advanced=True,
    )


@method(
    name="kpca-cam",
    title="KPCA-CAM",
    sentence="The strongest pattern among the layer's features, linear or not, for no class in particular.",
    paper="Karmani et al., KPCA-CAM: Visual Explainability of Deep Computer Vision Models using Kernel PCA, 2024, "
    "arXiv 2410.00267",
    group="gradient-free",
    needs={"activations"},
    class_agnostic=True,
    settings=KpcaCamSettings,
)
def kpca_cam(capture: LayerCapture, settings: KpcaCamSettings) -> MethodResult:
    """Project the places on the first principal component of their kernel: `√λ_1 a_1` with `K a_1 = λ_1 a_1`, where K
    is the kernel of the centred activations, itself centred in feature space. Its sign follows `choose_sign`.

    Raises:
        MethodError: the activations are not finite, or the grid is too fine for a kernel.
    """
    height, width = capture.activations.shape[1:]
    if height * width > MOST_PLACES:
        raise MethodError(
            f"KPCA-CAM compares all places of a layer with each other, and “{capture.layer.name}” has "
            f"{height}×{width}. Choose a deeper layer, with {MOST_PLACES} places or fewer."
        )
    places = read_places(capture.activations, True, capture, "KPCA-CAM")
    kernel = compare_places(places, settings.kernel, settings.gamma / places.shape[1])
    centred = kernel - kernel.mean(0) - kernel.mean(1, keepdim=True) + kernel.mean()
    if centred.norm() <= 1e-12 * kernel.norm():  # every place alike: what is left is rounding noise
        return MethodResult(capture.activations.new_zeros(height, width))
    value, vector = find_first_eigenvector(centred)
    projected, rules = choose_sign(vector * value.clamp(min=0).sqrt(), places)
    return MethodResult(projected.reshape(height, width).float(), rules=rules)


def compare_places(places: Tensor, kernel: Kernel, gamma: float) -> Tensor:
    """The kernel matrix `(n, n)` of places `(n, C)`."""
    if kernel == "cosine":
        norms = places.norm(dim=1, keepdim=True)
        places = places / norms.where(norms > 0, 1)
    products = places @ places.T
    if kernel == "sigmoid":
        return (gamma * products + 1).tanh_()
    if kernel == "poly":
        return (gamma * products + 1) ** 3
    if kernel == "rbf":
        squares = products.diagonal()
        return (-gamma * (squares[:, None] + squares[None, :] - 2 * products)).clamp_(max=0).exp_()
    return products
