"""Facets: against sortings that are known, and the silhouette worked out pair by pair."""

import numpy as np
import pytest

from explain.engine.facets import CLEAR, FEWEST_PICTURES, sort_into_facets


def make_sorts(count: int, each: int, spread: float) -> np.ndarray:
    """Features around axes of their own, of any length."""
    random = np.random.default_rng(0)
    middles = np.repeat(np.eye(12)[:count], each, axis=0)
    return (middles + spread * random.standard_normal((count * each, 12))) * random.uniform(1, 9, (count * each, 1))


def measure_silhouette(unit: np.ndarray, members: tuple[tuple[int, ...], ...]) -> float:
    """Rousseeuw's, of each point in turn."""
    values = []
    for own in members:
        for one in own:
            far = [np.mean([np.linalg.norm(unit[one] - unit[n]) for n in some]) for some in members if some is not own]
            near = np.mean([np.linalg.norm(unit[one] - unit[n]) for n in own if n != one])
            values.append((min(far) - near) / max(min(far), near))
    return float(np.mean(values))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_sorts_are_found_whatever_the_length_of_features(count: int) -> None:
    features = make_sorts(count, 8, 0.1)
    sorting = sort_into_facets(features)
    assert sorted(tuple(sorted(some)) for some in sorting.members) == [
        tuple(range(8 * n, 8 * n + 8)) for n in range(count)
    ]
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    assert sorting.silhouette == pytest.approx(measure_silhouette(unit, sorting.members))
    first = sorting.members[0]
    away = np.linalg.norm(unit[list(first)] - unit[list(first)].mean(0), axis=1)
    assert (np.diff(away) >= 0).all()


def test_one_cloud_is_one_facet() -> None:
    cloud = np.ones(200) + 0.5 * np.random.default_rng(0).standard_normal((40, 200))
    sorting = sort_into_facets(cloud)
    assert len(sorting.members) == 1 and sorting.silhouette is not None and sorting.silhouette < CLEAR


def test_few_pictures_are_not_sorted() -> None:
    features = make_sorts(3, 5, 0.01)
    assert len(features) == FEWEST_PICTURES - 1
    sorting = sort_into_facets(features)
    assert len(sorting.members) == 1 and sorting.silhouette is None
