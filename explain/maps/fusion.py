"""Several layers' maps of one method made one: an option of any method.

Each map's positive part is divided by its largest value and laid on the finest of the grids (bilinear, half-pixel).
Then the maps are averaged, or the largest value at each place is taken, or they are multiplied. The product keeps only
what every layer finds, so that a deep map says what and a shallow one where; it is RefineCAM's way of refining a deep
map by shallower ones (Englebert et al., "Backward recursive class activation map refinement for high resolution
saliency map", ICPR 2022). With exponents `w_l / Σ w` the product does not darken with each further layer: all the same,
which is the geometric mean, or 1, 2 … L from the first layer of the network to the last (Rebuffi et al., "There and
Back Again: Revisiting Backpropagation Saliency Methods", CVPR 2020, arXiv 2004.02866).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from explain.maps.heatmap import Heatmap, judge
from explain.methods import get_method
from explain.passes.count import Passes

Fusion = Literal["none", "mean", "max", "product", "geometric", "rising"]
"""How layers' maps become one.

- `product`: the plain one; `geometric` and `rising`: the product with exponents `1/L` each, and `1…L` by their sum.
"""

SEPARATOR = " + "
"""Between the names of fused layers."""


def fuse(maps: Sequence[Heatmap], fusion: Fusion, depths: Sequence[str] = ()) -> tuple[Heatmap, ...]:
    """Fuse the maps that differ in nothing but the layer, at the place of the first of them.

    Maps that are not finite are passed through as they are, and so is everything that stands alone.

    Args:
        maps: of any methods, layers and classes.
        fusion: how.
        depths: names of layers from the first of the network to the last; left out, maps stand in that order.
    """
    together: dict[tuple[str, int], list[Heatmap]] = {}
    for heatmap in maps:
        together.setdefault((heatmap.method, heatmap.target), []).append(heatmap)
    fused = []
    for group in together.values():
        if len(group) == 1 or not all(np.isfinite(heatmap.values).all() for heatmap in group):
            fused += group
        else:
            fused.append(_fuse_one(group, fusion, depths))
    return tuple(fused)


def _fuse_one(maps: Sequence[Heatmap], fusion: Fusion, depths: Sequence[str]) -> Heatmap:
    rising = sorted(maps, key=lambda heatmap: depths.index(heatmap.layer) if heatmap.layer in depths else len(depths))
    values = fuse_values([heatmap.values for heatmap in (rising if fusion == "rising" else maps)], fusion)
    first = maps[0]
    own = tuple(dict.fromkeys(warning for heatmap in maps for warning in heatmap.own_warnings))
    fused = replace(
        first,
        layer=SEPARATOR.join(heatmap.layer for heatmap in maps),
        values=values,
        seconds=sum(heatmap.seconds for heatmap in maps),
        passes=Passes(
            max(heatmap.passes.forward for heatmap in maps), max(heatmap.passes.backward for heatmap in maps)
        ),
        own_passes=sum((heatmap.own_passes for heatmap in maps), Passes()),
        remembered=all(heatmap.remembered for heatmap in maps),
        details={},
        own_warnings=own,
        own_rules=(),
    )
    return judge(fused, get_method(first.method))


def fuse_values(values: Sequence[np.ndarray], fusion: Fusion) -> np.ndarray:
    """Fuse maps `(h, w)` of any grids to one on the finest grid, `(H, W)` float32, 0…1; for `rising` the first layer's
    comes first.
    """
    import torch
    from torch.nn import functional

    finest = max((array.shape for array in values), key=lambda shape: shape[0] * shape[1])
    laid = []
    for array in values:
        positive = torch.from_numpy(np.array(array)).clamp(min=0)
        positive = positive / positive.max().clamp(min=torch.finfo(torch.float32).tiny)
        laid.append(functional.interpolate(positive[None, None], size=finest, mode="bilinear")[0, 0])
    stack = torch.stack(laid)
    if fusion == "mean":
        result = stack.mean(0)
    elif fusion == "max":
        result = stack.amax(0)
    elif fusion == "product":
        result = stack.prod(0)
    else:
        exponents = torch.ones(len(stack)) if fusion == "geometric" else torch.arange(1.0, len(stack) + 1)
        result = (stack ** (exponents / exponents.sum()).reshape(-1, 1, 1)).prod(0)
    return np.ascontiguousarray(result.numpy(), dtype=np.float32)
