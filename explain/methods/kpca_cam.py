"""KPCA-CAM: Eigen-CAM with a kernel, so that the strongest pattern need not be a linear one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from explain.errors import MethodError
from explain.methods.base import MethodResult, method
from explain.methods.eigen_cam import choose_sign, find_first_eigenvector, read_places
from explain.methods.formula import Cell, Formula, Sum
from explain.networks.layer import describe_grid
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


@dataclass(frozen=True, eq=False)
class Pattern:
    """The first principal component of the places of a layer, in a kernel's feature space.

    Attributes:
        kernel: how alike two places are, centred in feature space, `(n, n)`.
        eigenvalue: its largest.
        projected: the map, `(n,)`.
        rules: what decided about its sign.
    """

    kernel: Tensor
    eigenvalue: float
    projected: Tensor
    rules: tuple[str, ...]


def find_pattern(capture: LayerCapture, settings: KpcaCamSettings) -> Pattern:
    """`√λ_1 a_1` with `K a_1 = λ_1 a_1`, where K is the kernel of the centred activations, itself centred in feature
    space. Its sign follows `choose_sign`.

    Raises:
        MethodError: the activations are not finite, or the grid is too fine for a kernel.
    """
    cells = math.prod(capture.activations.shape[1:])
    if cells > MOST_PLACES:
        raise MethodError(
            f"KPCA-CAM compares all places of a layer with each other, and “{capture.layer.name}” has "
            f"{describe_grid(capture.activations.shape[1:])}. Choose a deeper layer, with {MOST_PLACES} places or "
            "fewer."
        )
    places = read_places(capture.activations, True, capture, "KPCA-CAM")
    kernel = compare_places(places, settings.kernel, settings.gamma / places.shape[1])
    centred = kernel - kernel.mean(0) - kernel.mean(1, keepdim=True) + kernel.mean()
    if centred.norm() <= 1e-12 * kernel.norm():  # every place alike: what is left is rounding noise
        return Pattern(centred, 0.0, centred.new_zeros(cells), ())
    value, vector = find_first_eigenvector(centred)
    projected, rules = choose_sign(vector * value.clamp(min=0).sqrt(), places)
    return Pattern(centred, float(value), projected, rules)


def list_sums(capture: LayerCapture, settings: KpcaCamSettings, place: Cell) -> list[Sum]:
    """The map at a place as the mean of the map everywhere, each place counting as it is alike: `L = K L / λ_1`."""
    shape = tuple(capture.activations.shape[1:])
    pattern = find_pattern(capture, settings)
    alike = pattern.kernel[int(np.ravel_multi_index(place, shape))].cpu().numpy() / (pattern.eigenvalue or 1.0)
    values = pattern.projected.cpu().numpy()
    names = [_name_cell(at, shape) for at in range(math.prod(shape))]
    columns = (r"$K(p, q) / \lambda$", "$L(q)$")
    return [Sum("Cell q", names, columns, np.stack([alike, values], 1), alike * values)]


def _name_cell(at: int, shape: Sequence[int]) -> str:
    axes = ("slice", "row", "column")[-len(shape) :]
    return ", ".join(f"{axis} {place + 1}" for axis, place in zip(axes, np.unravel_index(at, shape), strict=True))


_KERNELS: dict[Kernel, str] = {
    "sigmoid": r"\tanh(\gamma\, x_p \cdot x_q + 1)",
    "rbf": r"\exp(-\gamma \lVert x_p - x_q \rVert^2)",
    "poly": r"(\gamma\, x_p \cdot x_q + 1)^3",
    "linear": r"x_p \cdot x_q",
    "cosine": r"\cos(x_p, x_q)",
}


def _write_where(settings: KpcaCamSettings) -> str:
    return rf"K(p, q) = {_KERNELS[settings.kernel]} \text{{, centred}}, \quad \lambda = \text{{its largest eigenvalue}}"


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
    formula=Formula(
        r"L(p) = \frac{1}{\lambda} \sum_q K(p, q) \, L(q)",
        _write_where,
        "Cells are added up, not channels: a cell is high where the cells that it is like (K, of their activations x) "
        "are high. The map that agrees with itself in this way is the first eigenvector of K.",
        steps=list_sums,
    ),
)
def kpca_cam(capture: LayerCapture, settings: KpcaCamSettings) -> MethodResult:
    """Project the places on the first principal component of their kernel; see `find_pattern`.

    Raises:
        MethodError: the activations are not finite, or the grid is too fine for a kernel.
    """
    pattern = find_pattern(capture, settings)
    return MethodResult(pattern.projected.reshape(capture.activations.shape[1:]).float(), rules=pattern.rules)


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
