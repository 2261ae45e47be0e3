"""Eigen-CAM: the strongest pattern of a layer's activations, whatever the class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.capture import LayerCapture
from explain.errors import MethodError
from explain.methods.base import MethodResult, Settings, method, setting

if TYPE_CHECKING:
    from torch import Tensor


class EigenCamSettings(Settings):
    centre: bool = setting(
        True,
        "Centre",
        "Subtract each channel's mean over the picture first, so that the map shows what varies from place to place.",
        advanced=True,
    )


@method(
    name="eigen-cam",
    title="Eigen-CAM",
    sentence="The strongest pattern among the layer's features, for no class in particular.",
    paper="Muhammad and Yeasin, Eigen-CAM: Class Activation Map using Principal Components, IJCNN 2020, "
    "arXiv 2008.00299",
    group="gradient-free",
    needs="activations",
    class_agnostic=True,
    settings=EigenCamSettings,
)
def eigen_cam(capture: LayerCapture, settings: EigenCamSettings) -> MethodResult:
    """Project the activations on their first right singular vector: `L = A v_1` (section III of the paper).

    A singular vector's sign is arbitrary. The map is turned so that it does not run against the mean activation: its
    product with the channels' mean, summed over places, is not negative. Where that product is rounding noise (as after
    a LayerNorm, which leaves no mean), the place furthest from zero is turned to be positive.

    Raises:
        MethodError: the activations are not finite.
    """
    import torch

    channels, height, width = capture.activations.shape
    if not capture.activations.isfinite().all():
        raise MethodError(
            f"The activations of the layer “{capture.layer.name}” hold values that are no finite numbers, so Eigen-CAM "
            "finds no pattern in them. Choose another layer, or check the model's weights."
        )
    # (h·w, C), the paper's A. On the CPU, because not every device has float64 or eigenvectors.
    places = capture.activations.reshape(channels, -1).T.cpu().double()
    if settings.centre:
        centred = places - places.mean(0)
        # What is left of activations that are the same everywhere is rounding noise, and no pattern.
        places = centred if centred.norm() > 1e-6 * places.norm() else torch.zeros_like(places)
    projected = project_on_first_singular_vector(places)
    agreement = torch.dot(projected, places.mean(1))
    if agreement.abs() <= 1e-6 * torch.dot(projected.abs(), places.square().mean(1).sqrt()):
        agreement = projected[projected.abs().argmax()]
    if agreement < 0:
        projected = -projected
    return MethodResult(projected.reshape(height, width).float())


def project_on_first_singular_vector(rows: Tensor) -> Tensor:
    """`A v_1 = σ_1 u_1` of an `(n, m)` matrix, by the eigenvector of the smaller of its two Gram matrices."""
    import torch

    if rows.shape[0] <= rows.shape[1]:
        eigenvalues, vectors = torch.linalg.eigh(rows @ rows.T)
        return vectors[:, -1] * eigenvalues[-1].clamp(min=0).sqrt()
    _, vectors = torch.linalg.eigh(rows.T @ rows)
    return rows @ vectors[:, -1]
