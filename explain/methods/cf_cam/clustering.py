"""CF-CAM's clusters: dominant channels, DBSCAN over the others, and its distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explain.errors import MethodError
from explain.methods.cf_cam.filters import to_device_of
from explain.methods.cf_cam.settings import HIGHEST_PERCENTILE, SMALLEST_EPS, CfCamSettings
from explain.passes.capture import LayerCapture

if TYPE_CHECKING:
    from torch import Tensor

DOMINANT = -2
NOISE = -1
_ROWS_AT_ONCE = 256  # of the distances: a block of that many in float64 stays in the processor's cache


@dataclass(frozen=True, eq=False)
class Clusters:
    """How the channels of one layer fall into groups.

    Attributes:
        labels: `(C,)`; `DOMINANT` (-2), `NOISE` (-1) or the cluster's number from 0.
        eps: the greatest distance of neighbours, in units of the distance.
        min_samples: neighbours, itself included, that make a channel a core of a cluster.
    """

    labels: NDArray[np.int64]
    eps: float
    min_samples: int

    @property
    def sizes(self) -> list[int]:
        """Channels in each cluster."""
        return np.bincount(self.labels[self.labels >= 0]).tolist()

    @property
    def noise_share(self) -> float:
        """Noise among the channels that were clustered, 0…1; 0 where there were none."""
        clustered = self.labels[self.labels != DOMINANT]
        return float(np.mean(clustered == NOISE)) if clustered.size else 0.0


def cluster_channels(capture: LayerCapture, settings: CfCamSettings) -> Clusters:
    """Steps 1 and 2: part the channels into dominant ones, clusters and noise. Kept with the picture and layer."""
    key = ("cf-cam", "clusters", settings.distance, settings.eps, settings.min_samples, settings.dominant)

    def compute() -> Clusters:
        dominant = find_dominant(capture, settings.dominant)
        eps = max(_eps_distance(capture, settings), SMALLEST_EPS)
        min_samples = max(2, int(settings.min_samples * np.count_nonzero(~dominant)))
        near: NDArray[np.bool_] = (_see_distances(capture, settings.distance) <= eps).cpu().numpy()
        near[dominant] = near[:, dominant] = False
        return Clusters(np.where(dominant, DOMINANT, dbscan(near, min_samples)), eps, min_samples)

    return capture.derived.get(key, compute)


def dbscan(near: NDArray[np.bool_], min_samples: int) -> NDArray[np.int64]:
    """DBSCAN (Ester et al. 1996) on an adjacency matrix: label of each point from 0, or `NOISE`.

    Clusters are numbered by their first core point, and a border point belongs to the first cluster that reaches it, so
    the labels equal those of scikit-learn. It is several times as fast, as it takes a whole frontier at a time.

    Args:
        near: `(n, n)`, symmetric: whether two points are within eps. True on the diagonal, but for points that are to
            be left out: they are near nothing, and become noise.
        min_samples: neighbours, itself included, that make a point a core.
    """
    labels = np.full(len(near), NOISE, dtype=np.int64)
    core = np.count_nonzero(near, axis=1) >= min_samples
    number = 0
    for first in np.flatnonzero(core):
        if labels[first] != NOISE:
            continue
        cluster = np.zeros(len(near), dtype=np.bool_)
        cluster[first] = True
        frontier = np.array([first])
        while frontier.size:
            reached = near[frontier].any(axis=0) & ~cluster
            cluster |= reached
            frontier = np.flatnonzero(reached & core)
        labels[cluster & (labels == NOISE)] = number
        number += 1
    return labels


def measure_eps(capture: LayerCapture, settings: CfCamSettings, percentiles: Sequence[float]) -> NDArray[np.float64]:
    """For each value that the setting eps could have: the greatest distance of neighbours that it stands for.

    Raises:
        MethodError: without gradients, or if activations or gradients are not finite.
    """
    finite_gradients(capture)
    several = [settings.model_copy(update={"eps": percentile}) for percentile in percentiles]
    return np.array([max(_eps_distance(capture, each), SMALLEST_EPS) for each in several])


def finite_gradients(capture: LayerCapture) -> Tensor:
    """The gradients, once they and the activations are known to be there and finite; else a `MethodError`."""
    if capture.gradients is None:
        raise MethodError("CF-CAM needs the gradients of the class, and this capture has none. Capture them as well.")
    if not (capture.activations.isfinite().all() and capture.gradients.isfinite().all()):
        raise MethodError(
            f"The activations or gradients of the layer “{capture.layer.name}” hold values that are no finite numbers, "
            "so CF-CAM cannot compare its channels. Choose another layer, or check the model's weights."
        )
    return capture.gradients


def read_vectors(capture: LayerCapture, distance: str) -> NDArray[np.float64]:
    """Channels as rows `(C, h·w)`; of unit length for the cosine distance, but for those that are zero everywhere."""
    vectors = capture.activations.detach().cpu().numpy().astype(np.float64).reshape(len(capture.activations), -1)
    if distance == "cosine":
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors / np.where(norms > 0, norms, 1)
    return vectors


def find_dominant(capture: LayerCapture, percentile: float) -> NDArray[np.bool_]:
    """Step 1: whether a channel's norm is at or above the percentile of all norms. At least one always is."""
    norms = capture.derived.get(("cf-cam", "norms"), lambda: np.linalg.norm(read_vectors(capture, "euclidean"), axis=1))
    return norms >= np.percentile(norms, percentile)


def measure_distances(capture: LayerCapture, distance: str) -> NDArray[np.float32]:
    """All distances between channels, `(C, C)`, symmetric, 0 on the diagonal. Computed once for a picture and layer."""
    distances: NDArray[np.float32] = _see_distances(capture, distance).cpu().numpy()
    return distances


def _see_distances(capture: LayerCapture, distance: str) -> Tensor:
    """The same where they were worked out: on CUDA beside the activations, else on the CPU.

    They are worked out in float64 and kept in float32, as they are the largest thing kept with a capture.
    """

    def compute() -> Tensor:
        import torch

        # Torch, because its threads sleep while they wait: those of NumPy's BLAS spin, and beside another busy process
        # take ten times as long.
        vectors = torch.from_numpy(read_vectors(capture, distance))
        if capture.activations.is_cuda:
            vectors = vectors.to(capture.activations.device)
        squares = (vectors * vectors).sum(1)
        one = vectors.new_ones(())
        distances = torch.empty(len(vectors), len(vectors), device=vectors.device)
        for start in range(0, len(vectors), _ROWS_AT_ONCE):
            stop = start + _ROWS_AT_ONCE
            rows, others = vectors[start:stop], vectors[start:].T
            if distance == "cosine":
                # A channel that is zero everywhere has no direction: it is at distance 1 from every other.
                block = torch.addmm(one, rows, others, alpha=-1).clamp_(0, 2)
            else:
                sums = squares[start:stop, None] + squares[None, start:]
                block = torch.addmm(sums, rows, others, alpha=-2)
                # Below float32's resolution of the activations what is left is rounding, not distance.
                block.masked_fill_(block <= 1e-13 * sums, 0).sqrt_()
            distances[start:stop, start:] = block
            distances[stop:, start:stop] = distances[start:stop, stop:].T
            own = distances[start:stop, start:stop]
            own.copy_(torch.maximum(own, own.T))
        return distances.fill_diagonal_(0)

    return capture.derived.get(("cf-cam", "distances", distance), compute)


def _count_lowest(count: int) -> int:
    """Of so many distances those that some eps could ask for."""
    return min(int(HIGHEST_PERCENTILE / 100 * count) + 2, count)


def _eps_distance(capture: LayerCapture, settings: CfCamSettings) -> float:
    """The distance at the percentile `settings.eps` of those between different channels; 0 where there is no pair."""
    import torch

    def compute() -> tuple[NDArray[np.float32], int]:
        dominant = find_dominant(capture, settings.dominant)
        own = _see_distances(capture, settings.distance)
        if own.is_cuda:
            rest = to_device_of(np.flatnonzero(~dominant), own)
            among = own[rest][:, rest]
            some = among[among.new_ones(among.shape, dtype=torch.bool).tril(-1)]
            return some.sort().values[: _count_lowest(len(some))].cpu().numpy(), len(some)
        pairs = np.tri(len(dominant), k=-1, dtype=np.bool_)
        pairs[dominant] = pairs[:, dominant] = False
        distances = own.numpy()[pairs]
        lowest = _count_lowest(len(distances))
        if lowest:
            distances.partition(lowest - 1)  # quicker on a CPU than to sort them all
        return np.sort(distances[:lowest]), len(distances)

    key = ("cf-cam", "sorted distances", settings.distance, settings.dominant)
    lowest, count = capture.derived.get(key, compute)
    if not count:
        return 0.0
    # The published percentile is over the square matrix, in which each pair stands twice.
    position = (settings.eps / 100) * (2 * count - 1)
    below = int(position)
    near, far = float(lowest[below // 2]), float(lowest[min(below + 1, 2 * count - 1) // 2])
    return near + (position - below) * (far - near)
