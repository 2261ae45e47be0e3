"""CF-CAM's clusters as a person looks at them: distances in order, and channels in two dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explain.methods.cf_cam.clustering import (
    Clusters,
    cluster_channels,
    find_dominant,
    finite_gradients,
    measure_distances,
    read_vectors,
)
from explain.methods.cf_cam.filters import to_device_of
from explain.methods.cf_cam.parts import weigh
from explain.methods.cf_cam.settings import CfCamSettings
from explain.passes.capture import LayerCapture

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class ClusterView:
    """What a person needs to see the clustering.

    Attributes:
        clusters: label of each channel, eps and min_samples.
        k_distances: distance of each clustered channel to its `min_samples`-th neighbour (itself is the first),
            ascending. The knee of this curve is the usual choice of eps.
        embedding: `(C, 2)`: the channels laid flat so that their distances are kept as well as two axes allow
            (classical scaling of the Euclidean distance, or of the chord, `sqrt(2 · cosine distance)`).
        groups: labels that occur, ascending: -2 dominant, -1 noise, then the clusters.
        group_sizes: channels of each group.
        mean_activations: `(groups, h, w)`.
        mean_gradients: `(groups, h, w)`, before the filter.
        filtered_gradients: `(groups, h, w)`, the same as they weigh the channels: filtered where the settings filter
            gradients, and zero for channels left out.
        unfiltered: `(groups, h, w)`: what each group would add to the map if contributions were not filtered.
        contributions: `(groups, h, w)`: what each group adds to the map. Their sum is the map.
    """

    clusters: Clusters
    k_distances: NDArray[np.float32]
    embedding: NDArray[np.float64]
    groups: tuple[int, ...]
    group_sizes: tuple[int, ...]
    mean_activations: NDArray[np.float32]
    mean_gradients: NDArray[np.float32]
    filtered_gradients: NDArray[np.float32]
    unfiltered: NDArray[np.float32]
    contributions: NDArray[np.float32]


def cluster_view(capture: LayerCapture, settings: CfCamSettings) -> ClusterView:
    """The clustering as a person can look at it. Slower than the map: for a page that shows it, not for every pane.

    Raises:
        MethodError: without gradients, or if activations or gradients are not finite.
    """
    gradients = finite_gradients(capture)
    clusters = cluster_channels(capture, settings)
    groups, sizes = np.unique(clusters.labels, return_counts=True)
    members = [to_device_of(np.flatnonzero(clusters.labels == group), gradients) for group in groups]
    parts = weigh(capture, gradients, settings, clusters)
    within = [to_device_of(np.flatnonzero(parts.labels == group), gradients) for group in groups]

    def gather(maps: Tensor, mean: bool) -> NDArray[np.float32]:
        """Sum or mean of the parts of each group; zero for one that is left out."""
        sums = [maps[index].sum(0) / (max(len(index), 1) if mean else 1) for index in within]
        return np.stack([total.cpu().numpy() for total in sums])

    return ClusterView(
        clusters,
        _k_distances(capture, settings, clusters.min_samples),
        capture.derived.get(
            ("cf-cam", "embedding", settings.distance), lambda: _embedding(read_vectors(capture, settings.distance))
        ),
        tuple(int(group) for group in groups),
        tuple(int(size) for size in sizes),
        np.stack([capture.activations[index].mean(0).cpu().numpy() for index in members]),
        np.stack([gradients[index].mean(0).cpu().numpy() for index in members]),
        gather(parts.gradients, mean=True),
        gather(parts.unfiltered, mean=False),
        gather(parts.contributions, mean=False),
    )


def _k_distances(capture: LayerCapture, settings: CfCamSettings, k: int) -> NDArray[np.float32]:
    def compute() -> NDArray[np.float32]:
        rest = np.flatnonzero(~find_dominant(capture, settings.dominant))
        if len(rest) < k:
            return np.zeros(0, dtype=np.float32)
        distances = measure_distances(capture, settings.distance)[np.ix_(rest, rest)]
        return np.sort(np.partition(distances, k - 1, axis=1)[:, k - 1])

    return capture.derived.get(("cf-cam", "k-distances", settings.distance, settings.dominant, k), compute)


def _embedding(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Classical scaling of Euclidean distances to `(C, 2)`, which is the projection on the first two principal axes."""
    from sklearn.decomposition import PCA

    axes = min(2, *vectors.shape)
    if len(vectors) < 2:
        return np.zeros((len(vectors), 2))
    # Where all channels are alike, PCA's share of the variance, which nobody asks for, is 0 / 0.
    with np.errstate(invalid="ignore"):
        flat = PCA(axes, svd_solver="full").fit_transform(vectors)
    return np.pad(flat, ((0, 0), (0, 2 - axes)))
