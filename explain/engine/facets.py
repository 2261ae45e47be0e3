"""Whether the pictures that a class or a channel answers to are of one sort, or of several: its facets.

Nguyen et al. 2016 (arXiv 1602.03616) lay features out in the plane before they cluster them, which finds clusters in
anything. Here the features themselves are clustered, on the unit sphere, and whether there are clusters is measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST = 6
"""Facets at most."""

FEWEST_PICTURES = 16
"""To look for facets among: of fewer, a few alike by chance are a facet. The paper takes 50."""

_A_FACET = 4  # pictures, on average

CLEAR = 0.1
"""The silhouette from which on pictures are of several sorts."""


@dataclass(frozen=True, eq=False)
class Sorting:
    """How features fall apart.

    Attributes:
        members: for each facet the numbers of its features, the nearest to its middle first; the largest facet first.
        silhouette: of the best sorting into several, −1…1; None where there are too few to sort.
    """

    members: tuple[tuple[int, ...], ...]
    silhouette: float | None


def sort_into_facets(features: np.ndarray, seed: int = 0) -> Sorting:
    """Sort features by k-means on the unit sphere into as many facets as have the best silhouette, of 2 to `MOST`; into
    one where that is below `CLEAR`.

    Args:
        features: `(n, C)`; none is all zero.
        seed: of where k-means starts.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    count = len(features)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    found: list[tuple[float, np.ndarray]] = []
    if count >= FEWEST_PICTURES:
        for number in range(2, min(MOST, count // _A_FACET) + 1):
            facets = KMeans(number, n_init=4, random_state=seed).fit_predict(unit)
            if 1 < len(np.unique(facets)) < count:
                found.append((float(silhouette_score(unit, facets)), facets))
    silhouette, facets = max(found, key=lambda one: one[0]) if found else (None, np.zeros(count, dtype=int))
    if silhouette is None or silhouette < CLEAR:
        facets = np.zeros(count, dtype=int)
    members = [_order(unit, np.flatnonzero(facets == facet)) for facet in np.unique(facets)]
    return Sorting(tuple(sorted(members, key=len, reverse=True)), silhouette)


def _order(unit: np.ndarray, numbers: np.ndarray) -> tuple[int, ...]:
    far = np.linalg.norm(unit[numbers] - unit[numbers].mean(0), axis=1)
    return tuple(numbers[np.argsort(far, kind="stable")].tolist())
