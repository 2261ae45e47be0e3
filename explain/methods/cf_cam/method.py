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

The default eps was held against eleven others from 0.05 to 8 on the bundled pictures and 11 photographs, at the last
three layers of `imagenet-cnn` and `photo-cnn` and at `features.12`: at 0.3 there are 3 to 6 groups on 47 % of them, at
0.5 and 0.7 on 45 % and 46 %, at 0.2 and 1 on 37 % and 40 %. At the last layer of `photo-cnn` no eps makes several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from explain.methods.base import MethodResult, method
from explain.methods.cf_cam.clustering import DOMINANT, Clusters, cluster_channels, finite_gradients
from explain.methods.cf_cam.formula import FORMULA
from explain.methods.cf_cam.parts import weigh
from explain.methods.cf_cam.settings import PUBLISHED, CfCamSettings
from explain.passes.capture import LayerCapture
from explain.percent import write_percent

if TYPE_CHECKING:
    from torch import Tensor


@method(
    name="cf-cam",
    title="CF-CAM",
    sentence="Where channels that respond alike, with one smoothed gradient for each group, raise the class.",
    paper="He, Pan, Yao, “CF-CAM: Cluster Filter Class Activation Mapping”, 2025, arXiv 2504.00060",
    group="gradient",
    needs={"gradients"},
    settings=CfCamSettings,
    presets={"published": PUBLISHED},
    formula=FORMULA,
)
def cf_cam(capture: LayerCapture, settings: CfCamSettings) -> MethodResult:
    """Draw the CF-CAM map `(h, w)`, signed.

    `details` holds `labels` (`(C,)`: -2 dominant, -1 noise, from 0 the clusters), `cluster_sizes`, `noise_share` (of
    the channels clustered, 0…1), `eps_distance` (eps in units of the distance), `min_samples` and `dominant_channels`.

    Raises:
        MethodError: without gradients, or if activations or gradients are not finite.
    """
    gradients = finite_gradients(capture)
    clusters = cluster_channels(capture, settings)
    parts = weigh(capture, gradients, settings, clusters)
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


def _cluster_warnings(clusters: Clusters, settings: CfCamSettings) -> tuple[str, ...]:
    count = int(np.sum(clusters.labels != DOMINANT))
    sizes = clusters.sizes
    if not count:
        return ("Every channel is dominant, so nothing was clustered: all channels keep their own gradients.",)
    if not sizes:
        outcome = "only the dominant channels draw the map" if settings.drop_noise else "all keep their own gradients"
        return (f"No clusters: all {count} channels compared are noise at this eps, so {outcome}. Raise eps.",)
    if len(sizes) == 1 and sizes[0] <= 0.9 * count and not settings.drop_noise:
        return (
            f"One group only: {sizes[0]} of {count} channels share a gradient. CF-CAM is here nearly Grad-CAM"
            f"{', smoothed' if settings.sigma and settings.filter != 'none' else ''}.",
        )
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
        f"This map hardly depends on the class: the largest softmax weight is {write_percent(excess, 2)} above the "
        "average, so it is nearly the mean of the channels. Choose linear or spatial weights.",
    )
