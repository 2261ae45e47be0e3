"""What CF-CAM's groups add to its map: steps 3 to 5 of the list in `method`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explain.methods.cf_cam.clustering import NOISE, Clusters
from explain.methods.cf_cam.filters import filter_groups, to_device_of
from explain.methods.cf_cam.settings import CfCamSettings
from explain.methods.space import stand_before
from explain.passes.capture import LayerCapture

if TYPE_CHECKING:
    from torch import Tensor


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
        index, sums = to_device_of(self.members, maps), maps.new_zeros(len(self.sizes), *maps.shape[1:])
        if maps.is_cuda:  # there `index_add_` adds up in an order of chance, and no two maps are the same
            return sums.index_put_((index,), maps, accumulate=True)
        return sums.index_add_(0, index, maps)


@dataclass(frozen=True, eq=False)
class Parts:
    """Steps 3 to 5, for groups that are clusters first and then single channels.

    Attributes:
        kept: numbers of the channels that are not left out.
        labels: of each group: `DOMINANT`, `NOISE` or its number.
        gradients: `(groups, h, w)`, as they weigh the channels.
        weights: `(kept channels, h, w)` or `(kept channels, 1, 1)`.
        unfiltered: `(groups, h, w)`, before a filter of contributions.
        contributions: `(groups, h, w)`.
    """

    kept: NDArray[np.int64]
    labels: NDArray[np.int64]
    gradients: Tensor
    weights: Tensor
    unfiltered: Tensor
    contributions: Tensor


def weigh(capture: LayerCapture, gradients: Tensor, settings: CfCamSettings, clusters: Clusters) -> Parts:
    """Steps 3 to 5 of the module's list."""
    kept = np.flatnonzero(clusters.labels != NOISE) if settings.drop_noise else np.arange(len(clusters.labels))
    labels = clusters.labels[kept]
    groups = _Groups.of(labels)
    index = to_device_of(kept, gradients)

    means = groups.sum(gradients[index]) / stand_before(gradients.new_tensor(groups.sizes), gradients)
    if settings.filtered == "gradients":
        means = filter_groups(means, groups.clusters, settings, capture.cell)
    weights = means[to_device_of(groups.members, gradients)]
    if settings.weights != "spatial":
        weights = weights.mean(capture.space, keepdim=True)
    if settings.weights == "softmax":
        weights = weights.softmax(0)
    unfiltered = groups.sum(weights * capture.activations[index])
    contributions = unfiltered
    if settings.filtered == "contributions":
        contributions = filter_groups(unfiltered, groups.clusters, settings, capture.cell)
    of_groups = np.concatenate([np.arange(groups.clusters), labels[labels < 0]])
    return Parts(kept, of_groups, means, weights, unfiltered, contributions)
