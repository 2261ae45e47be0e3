"""What a model looks at in general: groups of alike maps of a class, each a hint that can be tested.

As in spectral relevance analysis (SpRAy; Lapuschkin et al., "Unmasking Clever Hans predictors and assessing what
machines really learn", 2019, doi 10.1038/s41467-019-08987-4) maps are pooled, made comparable and joined to their
nearest neighbours. The graph is then cut in two where the normalised cut is least, again and again (Shi and Malik,
"Normalized Cuts and Image Segmentation", 2000, doi 10.1109/34.868688, section 2): a few maps that are alike and unlike
all others come off at once, which a fixed number of clusters would often miss. Groups are hints: how stable each is
under other draws of the pictures is said of it (Hennig 2007, doi 10.1016/j.csda.2006.11.025). Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import eigsh
from sklearn.neighbors import kneighbors_graph

from explain.collections.embedding import Laid, gather_maps
from explain.collections.gathered import Gathered

MOST_MAPS = 2_000
"""Of a class that are grouped; of more, some are drawn by chance."""

MOST_GROUPS = 8
MOST_CUT = 0.2
"""A group is divided where the normalised cut between its halves is below this; 0 is no tie at all, 2 is the most."""

FEWEST, LEAST_SHARE = 5, 0.005
"""Maps of a group, and their share: fewer are none of their own."""

DRAWS, DRAWN = 5, 0.8
"""How often the maps are drawn anew to see whether a group comes again, and the share of them that is drawn."""

SMALL, PURE, FOCUSED, STEADY = 0.1, 0.8, 0.2, 0.75
"""What a group is flagged for: at most this share of the maps, maps at least this alike, at most this share of cells
above half of the highest, and at least this stability.
"""

NEAREST = 12


@dataclass(frozen=True, eq=False)
class Strategy:
    """A group of alike maps.

    Attributes:
        rows: its pictures, those most like the mean map first.
        share: of the maps that were grouped, 0…1.
        mean: the mean of its maps, each of magnitudes that sum to 1, `(h, w)` float32.
        accuracy: the share of its pictures that are named as they are labelled; None where that is not known.
        groups: by group, the share of the group's pictures of this class that are in it.
        stability: how much of it comes again in another draw: the mean over draws of the best Jaccard index, 0…1.
        alike: mean cosine of its maps to their mean, -1…1.
        area: share of the mean map's cells above half of its highest, 0…1.
    """

    rows: np.ndarray
    share: float
    mean: np.ndarray
    accuracy: float | None
    groups: dict[str, float]
    stability: float
    alike: float
    area: float

    @property
    def flagged(self) -> bool:
        """Whether it is small, pure, focused and steady, as a shortcut in a few pictures is."""
        return self.share <= SMALL and self.alike >= PURE and self.area <= FOCUSED and self.stability >= STEADY


def find_strategies(
    run: Gathered, rows: np.ndarray, method: str, seed: int = 0, tell: Callable[[float], None] = lambda share: None
) -> tuple[Strategy, ...]:
    """The groups of a class's maps, flagged ones first and then the largest.

    Args:
        run: the run.
        rows: pictures whose maps are of one class, ascending.
        method: whose maps.
        seed: of what is drawn.
        tell: told the share that is done, 0…1.
    """
    laid = gather_maps(run, rows, method, MOST_MAPS, seed)
    if len(laid.rows) < 2 * FEWEST:
        return ()
    numbers = group_maps(laid.vectors)
    tell(1 / (DRAWS + 1))
    again = []
    for draw in range(DRAWS):
        chosen = np.sort(np.random.default_rng([seed, draw]).permutation(len(numbers))[: round(DRAWN * len(numbers))])
        again.append((chosen, group_maps(laid.vectors[chosen])))
        tell((draw + 2) / (DRAWS + 1))
    found = [_describe(run, laid, numbers == number, again) for number in range(numbers.max() + 1)]
    return tuple(sorted(found, key=lambda one: (not one.flagged, -one.share)))


def group_maps(vectors: np.ndarray) -> np.ndarray:
    """To which group each map belongs, `(n,)`, from 0.

    Args:
        vectors: `(n, cells)`.
    """
    least = max(FEWEST, round(LEAST_SHARE * len(vectors)))
    graph = join_neighbours(vectors)
    _, parts = csgraph.connected_components(graph, directed=False)
    groups = [np.flatnonzero(parts == part) for part in range(parts.max() + 1)]
    large = sorted((group for group in groups if len(group) >= least), key=len, reverse=True)
    if not large:
        return np.zeros(len(vectors), int)
    cuts = [find_cut(graph, group, least) for group in large]
    while len(large) < MOST_GROUPS:
        best = min(range(len(large)), key=lambda place: cuts[place][0])
        value, inside = cuts[best]
        if value > MOST_CUT:
            break
        halves = large[best][inside], large[best][~inside]
        large[best : best + 1] = halves
        cuts[best : best + 1] = [find_cut(graph, half, least) for half in halves]
    numbers = np.full(len(vectors), -1)
    for number, group in enumerate(large):
        numbers[group] = number
    means = np.stack([vectors[group].mean(0) for group in large])
    lost = np.flatnonzero(numbers < 0)  # in pieces too small to be groups
    if len(lost):
        numbers[lost] = ((vectors[lost, None] - means) ** 2).sum(2).argmin(1)
    return numbers


def join_neighbours(vectors: np.ndarray) -> sparse.csr_matrix:
    """Each map joined to its nearest ones, and those to it, `(n, n)` of 0 and 1.

    They are ln n many, which keeps a cloud of points together and lets small groups stand alone (von Luxburg, "A
    Tutorial on Spectral Clustering", 2007, arXiv 0711.0189, section 8.1).
    """
    near = kneighbors_graph(vectors, min(ceil(log(len(vectors))), len(vectors) - 1), include_self=False)
    return sparse.csr_matrix(near.maximum(near.T))


def find_cut(graph: sparse.csr_matrix, nodes: np.ndarray, least: int) -> tuple[float, np.ndarray]:
    """The best division of some nodes in two along the second eigenvector, by the normalised cut: what ties both sides,
    as a share of all ties of the one, and of the other (Shi and Malik, equations 2 and 12).

    Args:
        graph: symmetric.
        nodes: of it, connected.
        least: nodes on each side.

    Returns:
        The normalised cut, infinite where nothing can be divided, and which of the nodes are on the first side.
    """
    if len(nodes) < 2 * least:
        return np.inf, np.zeros(len(nodes), bool)
    part = graph[nodes][:, nodes].tocoo()
    degrees = np.asarray(part.sum(1)).ravel()
    scale = sparse.diags(1 / np.sqrt(np.maximum(degrees, 1e-12)))
    # The largest of I + D^-1/2 W D^-1/2 are the smallest of the normalised Laplacian.
    matrix = scale @ part.tocsr() @ scale + sparse.identity(len(nodes))
    start = np.random.default_rng(0).normal(size=len(nodes))
    values, vectors = eigsh(matrix, k=2, which="LM", v0=start, tol=1e-6)
    second = vectors[:, np.argsort(values)[0]] / np.sqrt(np.maximum(degrees, 1e-12))
    order = np.argsort(second, kind="stable")
    place = np.empty(len(nodes), int)
    place[order] = np.arange(len(nodes))
    # An edge is cut by every division between its two ends.
    first, last = np.minimum(place[part.row], place[part.col]), np.maximum(place[part.row], place[part.col])
    change = np.bincount(first, part.data, len(nodes)) - np.bincount(last, part.data, len(nodes))
    cut = np.cumsum(change)[:-1] / 2  # each edge is listed twice
    volume = np.cumsum(degrees[order])[:-1]
    values = cut / np.maximum(volume, 1e-12) + cut / np.maximum(degrees.sum() - volume, 1e-12)
    allowed = slice(least - 1, len(nodes) - least)
    best = least - 1 + int(values[allowed].argmin())
    return float(values[best]), place <= best


def _describe(run: Gathered, laid: Laid, inside: np.ndarray, again: list[tuple[np.ndarray, np.ndarray]]) -> Strategy:
    """What is said of one group.

    Args:
        run: the run.
        laid: all maps.
        inside: which of them are in it.
        again: for each draw, the numbers of the maps in it, and their groups.
    """
    vectors = laid.vectors[inside]
    mean = vectors.mean(0)
    cosines = vectors @ mean / np.maximum(np.linalg.norm(vectors, axis=1) * np.linalg.norm(mean), 1e-12)
    rows = laid.rows[inside]
    right = run.numbers("correct")[rows]
    codes, texts = run.codes("group")
    inside_of, all_of = codes[rows], codes[laid.rows]
    groups = {
        text: float((inside_of == code).sum() / (all_of == code).sum())
        for code, text in enumerate(texts)
        if (all_of == code).any()
    }
    highest = mean.max()
    return Strategy(
        rows=rows[np.argsort(-cosines, kind="stable")],
        share=float(inside.mean()),
        mean=mean.reshape(laid.shape).astype(np.float32),
        accuracy=float(np.nanmean(right)) if np.isfinite(right).any() else None,
        groups=groups,
        stability=float(np.mean([_find_best(inside[chosen], numbers) for chosen, numbers in again])),
        alike=float(cosines.mean()),
        area=float((mean > highest / 2).mean()) if highest > 0 else 1.0,
    )


def _find_best(inside: np.ndarray, numbers: np.ndarray) -> float:
    """The Jaccard index of a group with the group of another draw that is most like it, 0…1."""
    if not inside.any():
        return 0.0
    both = np.bincount(numbers[inside], minlength=numbers.max() + 1)
    either = np.bincount(numbers) + inside.sum() - both
    return float((both / either).max())
