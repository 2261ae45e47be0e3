"""The settings of CF-CAM. The defaults are CAMscope's own choice, by measurement; see `method`."""

from __future__ import annotations

from typing import Literal

from explain.settings import Settings, setting

SMALLEST_EPS = 1e-5
HIGHEST_PERCENTILE = 25.0


class CfCamSettings(Settings):
    """Every piece of CF-CAM. The defaults are CAMscope's own choice, by measurement; see the module."""

    eps: float = setting(
        0.3,
        "How unlike channels may be",
        "DBSCAN's eps: how far apart two channels may be and still be neighbours, as a percentile of all distances "
        "between channels. At 0.3 the closest 0.3 % of all pairs are. Small: few tight groups and much noise. Large: "
        "one big group with one gradient.",
        unit="eps",
        low=0.0,
        least=0.05,
        high=HIGHEST_PERCENTILE,
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
