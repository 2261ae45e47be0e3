"""CF-CAM: channels are clustered by their activations, and each cluster shares one filtered gradient.

Source: He, Pan, Yao, "CF-CAM: Cluster Filter Class Activation Mapping for Reliable Gradient-Based Interpretability",
2025, arXiv 2504.00060, and the authors' code (github.com/jerryp-hfut/CF-CAM, `cfcam.py`), whose steps the preset
`published` follows:

1. Channels of a large norm are dominant and keep their own gradients.
2. The others are clustered by DBSCAN on their activations; what belongs to no cluster is noise and is dropped.
3. The mean gradient of a cluster, filtered, replaces the gradient of each of its channels.
4. Channels are weighted by their gradients, 5. and summed.

The default is CAMscope's own. Measured on 60 photographs, SqueezeNet 1.0, `features.12`, by `benchmarks/cf_cam.py` with
`--steps 14 --bfloat16`, which says what the columns are:

| method | average drop % (low) | insertion (high) | deletion (low) | other class (low) | noise (high) |
|---|---|---|---|---|---|
| default | 37.4 | 0.490 | 0.069 | -0.001 | 0.997 |
| default, dominant from 75, eps 0.5, 1 % neighbours | 35.9 | 0.495 | 0.064 | -0.002 | 0.998 |
| published | 46.7 | 0.389 | 0.081 | 1.000 | 1.000 |
| published, linear weights | 57.7 | 0.450 | 0.049 | -0.006 | 0.998 |
| Grad-CAM | 57.5 | 0.465 | 0.048 | -0.039 | 0.997 |
| Grad-CAM, filtered like the default | 35.9 | 0.504 | 0.062 | -0.002 | 0.998 |
| mean activation | 45.6 | 0.382 | 0.083 | 1.000 | 1.000 |

The published softmax ignores the class. What the default gains over Grad-CAM comes from the filter; clusters cost a
little, and more with a larger eps. The second row measures slightly better still, but there the eps slider hardly
moves the map: dominant channels make up nearly all of it. Contributions are filtered rather than gradients, as before a
global average gradients are the same everywhere and sigma would do nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from explain.capture import LayerCapture
from explain.errors import MethodError
from explain.methods.base import MethodResult, Settings, method, setting

if TYPE_CHECKING:
    from torch import Tensor

DOMINANT = -2
NOISE = -1

SMALLEST_EPS = 1e-5
_HIGHEST_PERCENTILE = 25.0
_ROWS_AT_ONCE = 256  # of the distances: a block of that many in float64 stays in the processor's cache


class CfCamSettings(Settings):
    """Every piece of CF-CAM. The defaults are CAMscope's own choice, by measurement; see the module."""

    eps: float = setting(
        0.3,
        "DBSCAN eps",
        "How far apart two channels may be and still be neighbours, as a percentile of all distances between channels. "
        "Small: few tight clusters and much noise. Large: one big cluster with one gradient.",
        unit="percentile",
        low=0.0,
        high=_HIGHEST_PERCENTILE,
        step=0.1,
    )
    sigma: float = setting(
        1.0,
        "Gaussian sigma",
        "Width of the filter that smooths the gradients. 0 leaves them as they are.",
        unit="cells",
        low=0.0,
        high=5.0,
        step=0.1,
    )
    distance: Literal["euclidean", "cosine"] = setting(
        "cosine",
        "Distance between channels",
        "Cosine compares where channels respond, whatever their strength; Euclidean mostly compares their strength.",
        advanced=True,
    )
    min_samples: float = setting(
        0.02,
        "Neighbours of a core channel",
        "Share of the clustered channels that must lie within eps of a channel (itself included, never fewer than 2) "
        "for it to found a cluster.",
        unit="share",
        low=0.0,
        high=0.5,
        step=0.005,
        advanced=True,
    )
    dominant: float = setting(
        97.0,
        "Dominant channels from",
        "Channels whose norm is at or above this percentile keep their own gradients and are not clustered. "
        "At 100 that is the strongest alone.",
        unit="percentile",
        low=0.0,
        high=100.0,
        step=1.0,
        advanced=True,
    )
    drop_noise: bool = setting(
        False,
        "Drop noise channels",
        "Leave out channels that belong to no cluster. Otherwise they keep their own gradients.",
        advanced=True,
    )
    filter: Literal["gaussian", "bilateral", "none"] = setting(
        "gaussian",
        "Gradient filter",
        "Gaussian, as in the paper's second version; bilateral, as in the authors' code; or none.",
        advanced=True,
    )
    filtered: Literal["contributions", "gradients"] = setting(
        "contributions",
        "What is filtered",
        "Gradients: those of each cluster, before they weigh its channels, as in the paper. Contributions: what each "
        "cluster adds to the map. Where a network ends in a global average its last gradients are the same at every "
        "place, and filtering them changes nothing.",
        advanced=True,
    )
    range_sigma: float = setting(
        0.1,
        "Bilateral range sigma",
        "How far a gradient may be from the mean and still count in the bilateral filter, in units of the gradient.",
        unit="gradient",
        low=1e-4,
        high=1.0,
        step=1e-4,
        advanced=True,
    )
    border: Literal["reflect", "zero"] = setting(
        "reflect",
        "Filter border",
        "What the filter sees outside the map: its mirror image, or zeros.",
        advanced=True,
    )
    filter_all: bool = setting(
        True,
        "Filter every channel",
        "Also filter what belongs to channels outside the clusters. Otherwise only clusters are filtered.",
        advanced=True,
    )
    weights: Literal["linear", "spatial", "softmax"] = setting(
        "linear",
        "Weights",
        "Linear: the mean of the gradient, as in Grad-CAM. Spatial: the gradient counts place by place. Softmax: the "
        "softmax of the means over the kept channels, as in the authors' code; with small gradients it ignores the "
        "class.",
        advanced=True,
    )


PUBLISHED = CfCamSettings(
    eps=25.0,
    sigma=5.0,
    distance="euclidean",
    min_samples=0.05,
    dominant=75.0,
    drop_noise=True,
    filter="bilateral",
    filtered="gradients",
    range_sigma=0.1,
    border="zero",
    filter_all=False,
    weights="softmax",
)


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


@method(
    name="cf-cam",
    title="CF-CAM",
    sentence="Where channels that respond alike, with one smoothed gradient for each group, raise the class.",
    paper="He, Pan, Yao, “CF-CAM: Cluster Filter Class Activation Mapping”, 2025, arXiv 2504.00060",
    group="gradient",
    needs="gradients",
    settings=CfCamSettings,
    presets={"published": PUBLISHED},
)
def cf_cam(capture: LayerCapture, settings: CfCamSettings) -> MethodResult:
    """Draw the CF-CAM map `(h, w)`, signed.

    `details` holds `labels` (`(C,)`: -2 dominant, -1 noise, from 0 the clusters), `cluster_sizes`, `noise_share` (of
    the channels clustered, 0…1), `eps_distance` (eps in units of the distance), `min_samples` and `dominant_channels`.

    Raises:
        MethodError: without gradients, or if activations or gradients are not finite.
    """
    gradients = _finite_gradients(capture)
    clusters = cluster_channels(capture, settings)
    parts = _weigh(capture, gradients, settings, clusters)
    warnings = _cluster_warnings(clusters, settings)
    if settings.weights == "softmax":
        warnings += _softmax_warnings(parts.weights)
    details = {
        "labels": clusters.labels,
        "cluster_sizes": clusters.sizes,
        "noise_share": clusters.noise_share,
        "eps_distance": clusters.eps,
        "min_samples": clusters.min_samples,
        "dominant_channels": int(np.sum(clusters.labels == DOMINANT)),
    }
    return MethodResult(parts.contributions.sum(0), warnings, details)


def cluster_channels(capture: LayerCapture, settings: CfCamSettings) -> Clusters:
    """Steps 1 and 2: part the channels into dominant ones, clusters and noise. Kept with the picture and layer."""
    key = ("cf-cam", "clusters", settings.distance, settings.eps, settings.min_samples, settings.dominant)

    def compute() -> Clusters:
        dominant = _dominant(capture, settings.dominant)
        eps = max(_eps_distance(capture, settings), SMALLEST_EPS)
        min_samples = max(2, int(settings.min_samples * np.count_nonzero(~dominant)))
        near = _distances(capture, settings.distance) <= np.float32(eps)
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


@dataclass(frozen=True, eq=False)
class _Groups:
    """Channels that act as one: the clusters first, then each channel outside them by itself.

    Attributes:
        members: group of each channel, `(C,)`.
        clusters: how many of the groups are clusters.
        sizes: channels of each group.
    """

    members: NDArray[np.int64]
    clusters: int
    sizes: list[int]

    @classmethod
    def of(cls, labels: NDArray[np.int64]) -> _Groups:
        clusters = int(labels.max(initial=-1)) + 1
        alone = labels < 0
        members = np.where(alone, clusters + np.cumsum(alone) - 1, labels)
        return cls(members, clusters, np.bincount(members).tolist())

    def sum(self, maps: Tensor) -> Tensor:
        """Maps of channels `(C, h, w)` added up to maps of groups `(groups, h, w)`."""
        return maps.new_zeros(len(self.sizes), *maps.shape[1:]).index_add_(0, _on_device(self.members, maps), maps)


@dataclass(frozen=True, eq=False)
class _Parts:
    """Steps 3 to 5, for groups that are clusters first and then single channels.

    Attributes:
        labels: of each group: `DOMINANT`, `NOISE` or its number.
        gradients: `(groups, h, w)`, as they weigh the channels.
        weights: `(kept channels, h, w)` or `(kept channels, 1, 1)`.
        unfiltered: `(groups, h, w)`, before a filter of contributions.
        contributions: `(groups, h, w)`.
    """

    labels: NDArray[np.int64]
    gradients: Tensor
    weights: Tensor
    unfiltered: Tensor
    contributions: Tensor


def _weigh(capture: LayerCapture, gradients: Tensor, settings: CfCamSettings, clusters: Clusters) -> _Parts:
    kept = np.flatnonzero(clusters.labels != NOISE) if settings.drop_noise else np.arange(len(clusters.labels))
    labels = clusters.labels[kept]
    groups = _Groups.of(labels)
    index = _on_device(kept, gradients)

    means = groups.sum(gradients[index]) / gradients.new_tensor(groups.sizes)[:, None, None]
    if settings.filtered == "gradients":
        means = filter_groups(means, groups.clusters, settings)
    weights = means[_on_device(groups.members, gradients)]
    if settings.weights != "spatial":
        weights = weights.mean((1, 2), keepdim=True)
    if settings.weights == "softmax":
        weights = weights.softmax(0)
    unfiltered = groups.sum(weights * capture.activations[index])
    contributions = unfiltered
    if settings.filtered == "contributions":
        contributions = filter_groups(unfiltered, groups.clusters, settings)
    of_groups = np.concatenate([np.arange(groups.clusters), labels[labels < 0]])
    return _Parts(of_groups, means, weights, unfiltered, contributions)


def filter_groups(maps: Tensor, clusters: int, settings: CfCamSettings) -> Tensor:
    """Filter the first `clusters` of `(n, h, w)` maps, or all of them if the settings say so."""
    if settings.filter_all:
        return filter_maps(maps, settings)
    import torch

    return torch.cat([filter_maps(maps[:clusters], settings), maps[clusters:]])


def filter_maps(maps: Tensor, settings: CfCamSettings) -> Tensor:
    """Smooth each of `(n, h, w)` maps by the chosen filter, sigma in cells. Sigma 0 and `none` change nothing."""
    if settings.filter == "none" or settings.sigma == 0 or not len(maps):
        return maps
    if settings.filter == "bilateral":
        return _bilateral(maps, settings.sigma, settings.range_sigma, settings.border)
    height, width = maps.shape[1:]
    rows = maps.new_tensor(_gaussian_matrix(height, settings.sigma, settings.border))
    columns = maps.new_tensor(_gaussian_matrix(width, settings.sigma, settings.border))
    # Weights on the right, so that each is one product for all maps.
    return ((maps @ columns.T).transpose(1, 2).contiguous() @ rows.T).transpose(1, 2)


def cluster_view(capture: LayerCapture, settings: CfCamSettings) -> ClusterView:
    """The clustering as a person can look at it. Slower than the map: for a page that shows it, not for every pane.

    Raises:
        MethodError: without gradients, or if activations or gradients are not finite.
    """
    gradients = _finite_gradients(capture)
    clusters = cluster_channels(capture, settings)
    groups, sizes = np.unique(clusters.labels, return_counts=True)
    members = [_on_device(np.flatnonzero(clusters.labels == group), gradients) for group in groups]
    parts = _weigh(capture, gradients, settings, clusters)
    within = [_on_device(np.flatnonzero(parts.labels == group), gradients) for group in groups]

    def gather(maps: Tensor, mean: bool) -> NDArray[np.float32]:
        """Sum or mean of the parts of each group; zero for one that is left out."""
        sums = [maps[index].sum(0) / (max(len(index), 1) if mean else 1) for index in within]
        return np.stack([total.cpu().numpy() for total in sums])

    return ClusterView(
        clusters,
        _k_distances(capture, settings, clusters.min_samples),
        capture.derived.get(
            ("cf-cam", "embedding", settings.distance), lambda: _embedding(_vectors(capture, settings.distance))
        ),
        tuple(int(group) for group in groups),
        tuple(int(size) for size in sizes),
        np.stack([capture.activations[index].mean(0).cpu().numpy() for index in members]),
        np.stack([gradients[index].mean(0).cpu().numpy() for index in members]),
        gather(parts.gradients, mean=True),
        gather(parts.unfiltered, mean=False),
        gather(parts.contributions, mean=False),
    )


def measure_eps(capture: LayerCapture, settings: CfCamSettings, percentiles: Sequence[float]) -> NDArray[np.float64]:
    """For each value that the setting eps could have: the greatest distance of neighbours that it stands for.

    Raises:
        MethodError: without gradients, or if activations or gradients are not finite.
    """
    _finite_gradients(capture)
    several = [settings.model_copy(update={"eps": percentile}) for percentile in percentiles]
    return np.array([max(_eps_distance(capture, each), SMALLEST_EPS) for each in several])


def _finite_gradients(capture: LayerCapture) -> Tensor:
    if capture.gradients is None:
        raise MethodError("CF-CAM needs the gradients of the class, and this capture has none. Capture them as well.")
    if not (capture.activations.isfinite().all() and capture.gradients.isfinite().all()):
        raise MethodError(
            f"The activations or gradients of the layer “{capture.layer.name}” hold values that are no finite numbers, "
            "so CF-CAM cannot compare its channels. Choose another layer, or check the model's weights."
        )
    return capture.gradients


def _on_device(index: NDArray[np.int64], like: Tensor) -> Tensor:
    import torch

    return torch.from_numpy(index).to(like.device)


def _vectors(capture: LayerCapture, distance: str) -> NDArray[np.float64]:
    """Channels as rows `(C, h·w)`; of unit length for the cosine distance, but for those that are zero everywhere."""
    vectors = capture.activations.detach().cpu().numpy().astype(np.float64).reshape(len(capture.activations), -1)
    if distance == "cosine":
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors / np.where(norms > 0, norms, 1)
    return vectors


def _dominant(capture: LayerCapture, percentile: float) -> NDArray[np.bool_]:
    """Step 1: whether a channel's norm is at or above the percentile of all norms. At least one always is."""
    norms = capture.derived.get(("cf-cam", "norms"), lambda: np.linalg.norm(_vectors(capture, "euclidean"), axis=1))
    return norms >= np.percentile(norms, percentile)


def _distances(capture: LayerCapture, distance: str) -> NDArray[np.float32]:
    """All distances between channels, `(C, C)`, symmetric, 0 on the diagonal. Computed once for a picture and layer.

    They are worked out in float64 and kept in float32, as they are the largest thing kept with a capture.
    """

    def compute() -> NDArray[np.float32]:
        import torch

        # Torch, because its threads sleep while they wait: those of NumPy's BLAS spin, and beside another busy process
        # take ten times as long.
        vectors = torch.from_numpy(_vectors(capture, distance))
        squares = (vectors * vectors).sum(1)
        one = vectors.new_ones(())
        distances = torch.empty(len(vectors), len(vectors))
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
        return distances.fill_diagonal_(0).numpy()

    return capture.derived.get(("cf-cam", "distances", distance), compute)


def _eps_distance(capture: LayerCapture, settings: CfCamSettings) -> float:
    """The distance at the percentile `settings.eps` of those between different channels; 0 where there is no pair."""

    def compute() -> tuple[NDArray[np.float32], int]:
        dominant = _dominant(capture, settings.dominant)
        pairs = np.tri(len(dominant), k=-1, dtype=np.bool_)
        pairs[dominant] = pairs[:, dominant] = False
        distances = _distances(capture, settings.distance)[pairs]
        lowest = min(int(_HIGHEST_PERCENTILE / 100 * len(distances)) + 2, len(distances))
        if lowest:
            distances.partition(lowest - 1)
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


def _k_distances(capture: LayerCapture, settings: CfCamSettings, k: int) -> NDArray[np.float32]:
    def compute() -> NDArray[np.float32]:
        rest = np.flatnonzero(~_dominant(capture, settings.dominant))
        if len(rest) < k:
            return np.zeros(0, dtype=np.float32)
        distances = _distances(capture, settings.distance)[np.ix_(rest, rest)]
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


def _mirrored(positions: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Positions outside `0…size-1` folded back into it, the cell at the border repeated."""
    folded = positions % (2 * size)
    return np.where(folded < size, folded, 2 * size - 1 - folded)


def _gaussian_matrix(size: int, sigma: float, border: str) -> NDArray[np.float64]:
    """The Gaussian filter along an axis of `size` cells as a matrix `(size, size)`, cut off at 4 sigma."""
    radius = int(4 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    rows = np.repeat(np.arange(size), len(offsets))
    columns = (np.arange(size)[:, None] + offsets).ravel()
    values = np.tile(kernel, size)
    if border == "zero":
        inside = (columns >= 0) & (columns < size)
        rows, columns, values = rows[inside], columns[inside], values[inside]
    matrix = np.zeros((size, size))
    np.add.at(matrix, (rows, _mirrored(columns, size)), values)
    return matrix


def _bilateral(maps: Tensor, sigma: float, range_sigma: float, border: str) -> Tensor:
    """The authors' "bilateral" filter: each map `(h, w)` is correlated with one kernel of its own size.

    The kernel is a Gaussian over the place, centred at `(h/2, w/2)`, times a Gaussian over the map's own values around
    their mean, divided by its sum + 1e-6. Unlike a true bilateral filter it is the same at every place.
    """
    import torch
    from torch.nn import functional

    count, height, width = maps.shape
    y = torch.arange(height, device=maps.device)[:, None] - height / 2
    x = torch.arange(width, device=maps.device)[None, :] - width / 2
    spatial = torch.exp(-(y**2 + x**2) / (2 * sigma**2))
    deviations = maps - maps.mean((1, 2), keepdim=True)
    kernels = spatial * torch.exp(-(deviations**2) / (2 * range_sigma**2))
    kernels = kernels / (kernels.sum((1, 2), keepdim=True) + 1e-6)
    # Even kernels have one cell more after the centre than before: the padding of convolutions of the same size.
    top, left = (height - 1) // 2, (width - 1) // 2
    if border == "zero":
        padded = functional.pad(maps, (left, width - 1 - left, top, height - 1 - top))
    else:
        rows = _on_device(_mirrored(np.arange(-top, 2 * height - 1 - top), height), maps)
        columns = _on_device(_mirrored(np.arange(-left, 2 * width - 1 - left), width), maps)
        padded = maps[:, rows][:, :, columns]
    return functional.conv2d(padded[None], kernels[:, None], groups=count)[0]


def _cluster_warnings(clusters: Clusters, settings: CfCamSettings) -> tuple[str, ...]:
    count = int(np.sum(clusters.labels != DOMINANT))
    sizes = clusters.sizes
    if not count:
        return ("Every channel is dominant, so nothing was clustered: all channels keep their own gradients.",)
    if not sizes:
        outcome = "only the dominant channels draw the map" if settings.drop_noise else "all keep their own gradients"
        return (f"No clusters: all {count} channels compared are noise at this eps, so {outcome}. Raise eps.",)
    if len(sizes) == 1 and (settings.drop_noise or sizes[0] > 0.9 * count):
        return (
            f"One cluster only: its {sizes[0]} channels (of {count} compared) share one mean gradient, so the "
            "clustering tells nothing apart. Lower eps.",
        )
    return ()


def _softmax_warnings(weights: Tensor) -> tuple[str, ...]:
    """A softmax of small gradients is uniform: the map is then the mean activation, whatever the class."""
    excess = float(weights.max() * len(weights)) - 1
    if excess > 0.1:
        return ()
    return (
        f"This map hardly depends on the class: the largest softmax weight is {excess:.2%} above the average, so it is "
        "nearly the mean of the channels. Choose linear or spatial weights.",
    )
