"""How alike two maps are: of two classes, of a picture and a copy nobody can tell from it, of two other pictures.

A map that is the same for another class does not say why the network names this one (Sixt, Granz and Landgraf, "When
Explanations Lie", ICML 2020, arXiv 1912.09818; Wang et al., "SCOUT", 2020, arXiv 2004.02866). One that changes while
picture and answer stay says more of chance than of the picture (Yeh et al. 2019, arXiv 1901.09392). How alike is very
alike is measured: maps of *different pictures* by the same method are, more or less (Arun et al. 2021, doi
10.1148/ryai.2021200267, who compare with pairs of pictures as well).
"""

from __future__ import annotations

import numpy as np

LIKE = 0.95
"""The share of pairs of different pictures that must be less alike, before two maps count as the same."""


def find_likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's correlation of two maps on the grid, -1…1; NaN where one of them is the same everywhere.

    Args:
        one: `(CELLS, CELLS)`, at least 0; see `lay_on_cells`.
        other: likewise.
    """
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum() / size) if size > 0 else float("nan")


def find_likenesses_of_strangers(maps: np.ndarray) -> np.ndarray:
    """How alike maps of different pictures are, pair by pair, `(n · (n − 1) / 2,)`; pairs with a blank one left out.

    Args:
        maps: `(n, CELLS, CELLS)`, of one method, a picture each.
    """
    flat = maps.reshape(len(maps), -1)
    flat = flat - flat.mean(1, keepdims=True)
    sizes = np.sqrt((flat**2).sum(1))
    flat = flat[sizes > 0] / sizes[sizes > 0, None]
    found: np.ndarray = (flat @ flat.T)[np.triu_indices(len(flat), 1)]
    return found
