"""Groups of alike maps: a planted one is found, cuts are those of a slow count, and so is what is said of a group."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse import csgraph

from explain.collections.filtering import Filter, find_rows
from explain.collections.gathered import Gathered
from explain.collections.strategies import (
    FEWEST,
    Strategy,
    find_cut,
    find_strategies,
    group_maps,
    join_neighbours,
)
from tests.support.collection_runs import draw_blob, write_run


def draw_maps(seed: int, count: int = 1000, planted: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    """Blobs anywhere in the middle, and some in the lower right corner; which those are."""
    random = np.random.default_rng(seed)
    marked = np.zeros(count, bool)
    marked[random.choice(count, max(round(planted * count), 8), replace=False)] = True
    maps = []
    for is_marked in marked:
        place = random.normal(6.5, 0.3, 2) if is_marked else random.uniform(1.5, 5, 2)
        blob = draw_blob(*place, 1.0 if is_marked else random.uniform(1.2, 2.2))
        maps.append((blob + 0.15 * random.random((8, 8))).ravel())
    vectors = np.array(maps)
    return vectors / np.abs(vectors).sum(1, keepdims=True), marked


@pytest.mark.parametrize("seed", range(3))
def test_a_corner_that_two_in_a_hundred_look_at_is_a_group_of_its_own(seed: int) -> None:
    vectors, marked = draw_maps(seed)
    numbers = group_maps(vectors)
    best = max(((numbers == n) & marked).sum() / ((numbers == n) | marked).sum() for n in range(numbers.max() + 1))
    assert best >= 0.8
    assert numbers.min() == 0 and min(np.bincount(numbers)) >= FEWEST


def test_a_cut_is_the_least_normalised_one_along_the_vector() -> None:
    random = np.random.default_rng(0)
    weights = np.triu((random.random((14, 14)) < 0.3).astype(float), 1)
    weights[:7, 7:] *= random.random((7, 7)) < 0.25
    weights[np.arange(13), np.arange(1, 14)] = 1  # connected
    weights += weights.T
    nodes = np.arange(14)
    value, inside = find_cut(sparse.csr_matrix(weights), nodes, 2)

    def count(first: np.ndarray) -> float:
        tie = weights[first][:, ~first].sum()
        return float(tie / weights[first].sum() + tie / weights[~first].sum())

    assert value == pytest.approx(count(inside))
    laplacian = csgraph.laplacian(sparse.csr_matrix(weights), normed=True).toarray()
    _, vectors = np.linalg.eigh(laplacian)
    order = np.argsort(vectors[:, 1] / np.sqrt(weights.sum(1)))
    slow = []
    for end in range(2, 13):
        first = np.zeros(14, bool)
        first[order[:end]] = True
        slow.append(count(first))
    assert value == pytest.approx(min(slow))
    assert find_cut(sparse.csr_matrix(weights), nodes, 8)[0] == np.inf


def test_neighbours_are_joined_both_ways() -> None:
    vectors, _ = draw_maps(0, 40)
    graph = join_neighbours(vectors).toarray()
    distances = ((vectors[:, None] - vectors) ** 2).sum(2)
    np.fill_diagonal(distances, np.inf)
    near = np.zeros_like(graph)
    for row, order in enumerate(np.argsort(distances, 1)):
        near[row, order[:4]] = 1  # ln 40 is 3.7
    assert (graph == np.maximum(near, near.T)).all()


def test_what_is_said_of_a_group_is_counted(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    marked = set(range(0, 120, 12))

    def draw(number: int) -> np.ndarray:
        place = random.normal(7, 0.2, 2) if number in marked else random.normal(3, 0.8, 2)
        return draw_blob(*place, 1.0) + 0.05 * random.random((8, 8)).astype(np.float32)

    def tell(number: int) -> dict[str, str]:
        return {"group": "north" if number in marked or number < 30 else "south"}

    run = Gathered(write_run(tmp_path / "run", 121, tell, draw, shard=64).path)
    told: list[float] = []
    found = find_strategies(run, find_rows(run, Filter()), "grad-cam", tell=told.append)
    first = found[0]
    numbers = {int(str(row["uri"])[:3]) for row in run.read_rows(first.rows.tolist())}
    assert numbers == marked and first.flagged and not any(other.flagged for other in found[1:])
    assert first.share == pytest.approx(10 / 120) and first.stability > 0.9
    assert first.accuracy == pytest.approx(sum(number % 5 != 0 for number in marked) / 10)
    north = sum(number in marked or number < 30 for number in range(120))
    assert first.groups == {"north": pytest.approx(10 / north), "south": 0}
    maps = run.read_maps(first.rows.tolist(), "grad-cam")
    vectors = np.stack([maps[row].values.ravel() / np.abs(maps[row].values).sum() for row in first.rows.tolist()])
    assert first.mean.ravel() == pytest.approx(vectors.mean(0), abs=1e-5)
    cosines = vectors @ vectors.mean(0) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vectors.mean(0))
    assert first.alike == pytest.approx(cosines.mean(), abs=1e-5) and (np.diff(cosines) <= 1e-6).all()
    assert first.area == (first.mean > first.mean.max() / 2).mean()
    assert told[-1] == 1 and sum(one.share for one in found) == pytest.approx(1)
    assert find_strategies(run, np.arange(5), "grad-cam") == ()


def test_a_flag_needs_all_four() -> None:
    def make(**changes: float) -> Strategy:
        told = {"share": 0.02, "stability": 0.9, "alike": 0.9, "area": 0.1} | changes
        return Strategy(rows=np.arange(3), mean=np.ones((2, 2)), accuracy=None, groups={}, **told)  # type: ignore[arg-type]

    assert make().flagged
    for changes in ({"share": 0.3}, {"stability": 0.5}, {"alike": 0.5}, {"area": 0.5}):
        assert not make(**changes).flagged
