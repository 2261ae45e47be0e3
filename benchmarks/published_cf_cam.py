"""CF-CAM as its authors publish it, written plainly: what CAMscope's preset `published` is checked and timed against.

He, Pan, Yao, "CF-CAM", 2025, arXiv 2504.00060, and the authors' code (github.com/jerryp-hfut/CF-CAM, `cfcam.py`). The
steps, their order and what they are computed with are theirs; the words are not.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN
from torch import Tensor, nn
from torch.nn import functional

DOMINANT_FROM = 75
EPS_PERCENTILE = 25
LEAST_EPS = 1e-5
NEIGHBOURS = 0.05
SIGMA = 5.0
RANGE_SIGMA = 0.1


def draw_published_cf_cam(network: nn.Module, layer: str, picture: Tensor, target: int) -> Tensor:
    """The map `(h, w)` before ReLU, enlarging and scaling.

    Args:
        network: in evaluation mode. Its parameters may need gradients, as the authors' do, and then get them.
        layer: name of the layer.
        picture: `(1, C, H, W)`.
        target: index of the class.
    """
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        output.retain_grad()
        kept.append(output)

    handle = network.get_submodule(layer).register_forward_hook(keep)
    try:
        network.zero_grad()
        network(picture)[0, target].backward()
    finally:
        handle.remove()
    (output,) = kept
    assert output.grad is not None
    return weigh(output.detach()[0], output.grad[0])


def weigh(activations: Tensor, gradients: Tensor) -> Tensor:
    """From activations and gradients `(C, h, w)` to the map `(h, w)`."""
    labels, dominant = cluster(activations.flatten(1).cpu().numpy())
    weights = torch.zeros(len(activations), device=activations.device)
    for channel in np.flatnonzero(dominant):
        weights[channel] = gradients[channel].mean()
    for number in range(labels.max(initial=-1) + 1):
        members = np.flatnonzero(labels == number)
        filtered = smooth(gradients[members].mean(0))
        for channel in members:
            weights[channel] = filtered.mean()
    valid = torch.from_numpy(dominant | (labels >= 0)).to(activations.device)
    shares = weights[valid].softmax(0)
    return (shares[:, None, None] * activations[valid]).sum(0)


def cluster(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Of each channel, a row of `(C, h·w)`: its cluster from 0 or -1, and whether it is dominant."""
    norms = np.linalg.norm(vectors, axis=1)
    dominant = norms >= np.percentile(norms, DOMINANT_FROM)
    labels = np.full(len(vectors), -1)
    rest = vectors[~dominant]
    if len(rest):
        neighbours = max(2, int(len(rest) * NEIGHBOURS))
        labels[~dominant] = DBSCAN(eps=find_eps(rest), min_samples=neighbours).fit(rest).labels_
    return labels, dominant


def find_eps(vectors: NDArray[np.float32]) -> float:
    """The percentile of all distances between different channels."""
    distances = np.linalg.norm(vectors[:, None] - vectors[None, :], axis=2)
    np.fill_diagonal(distances, np.inf)
    between = distances.flatten()
    return max(float(np.percentile(between[between != np.inf], EPS_PERCENTILE)), LEAST_EPS)


def smooth(gradient: Tensor) -> Tensor:
    """The authors' bilateral filter of a map `(h, w)`: one kernel as large as the map."""
    height, width = gradient.shape
    y = torch.arange(height, device=gradient.device)[:, None] - height / 2
    x = torch.arange(width, device=gradient.device)[None, :] - width / 2
    near = torch.exp(-(y**2 + x**2) / (2 * SIGMA**2))
    alike = torch.exp(-((gradient - gradient.mean()) ** 2) / (2 * RANGE_SIGMA**2))
    kernel = near * alike
    kernel = kernel / (kernel.sum() + 1e-6)
    return functional.conv2d(gradient[None, None], kernel[None, None], padding="same")[0, 0]
