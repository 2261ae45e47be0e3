"""The order of slices, what is missing, and what forbids other planes, on positions made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from explain.volumes.geometry import Arrangement, arrange, have_places_of_their_own

DOWN, ACROSS = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])


def laid_out(heights: list[float], shift: float = 0.0) -> Arrangement:
    origins = np.array([[10.0, 20.0 + shift * at, height] for at, height in enumerate(heights)])
    return arrange(origins, DOWN, ACROSS, (0.5, 0.25))


def test_slices_are_ordered_by_position() -> None:
    found = laid_out([30, 0, 20, 10])
    assert found.order == (1, 3, 2, 0) and found.slots == (0, 1, 2, 3)
    assert found.geometry.step == 10 and found.geometry.fault == ""


@pytest.mark.parametrize("seed", range(8))
def test_order_and_places_in_any_direction(seed: int) -> None:
    """Every voxel's millimetres, by plain arithmetic, whatever the direction and the order of files."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    across, down = turn[0], turn[1]
    normal, start, step = np.cross(across, down), rng.normal(size=3) * 100, rng.uniform(0.5, 7)
    origins = np.array([start + normal * step * at for at in range(9)])
    shuffled = rng.permutation(9)
    found = arrange(origins[shuffled], down, across, (0.7, 0.9))
    assert [shuffled[which] for which in found.order] == list(range(9))
    affine = found.geometry.affine
    assert affine is not None and found.geometry.step == pytest.approx(step)
    for voxel in ((0, 0, 0), (8, 3, 5), (4, 7, 1)):
        wanted = start + normal * step * voxel[0] + down * 0.7 * voxel[1] + across * 0.9 * voxel[2]
        assert np.allclose(affine @ [*voxel, 1], [*wanted, 1])
        assert np.allclose(found.geometry.locate(voxel), wanted)


def test_a_gap_is_missing_slices() -> None:
    found = laid_out([0, 5, 10, 25, 30])
    assert found.slots == (0, 1, 2, 5, 6) and found.geometry.step == 5
    assert np.allclose(found.geometry.origins[3:5, 2], [15, 20]) and found.geometry.fault == ""


def test_small_differences_are_rounding() -> None:
    found = laid_out([0, 0.75, 1.51, 2.25, 3.0, 3.76])
    assert found.slots == (0, 1, 2, 3, 4, 5) and found.geometry.fault == ""


@pytest.mark.parametrize(
    ("heights", "words"),
    [
        ([0, 4, 8, 15, 22, 23.08], "1.08, 4 and 7 mm"),
        ([0, 4, 8, 15, 22, 29], "4 and 7 mm"),
        ([0, 1, 3, 99], "mm apart"),
    ],
)
def test_uneven_distances(heights: list[float], words: str) -> None:
    found = laid_out(heights)
    assert found.slots == tuple(range(len(heights))) and found.geometry.step is None
    assert words in found.geometry.fault and found.geometry.affine is None


def test_an_absurd_gap_is_no_million_of_missing_slices() -> None:
    found = laid_out([0, 1, 2, 1e9])
    assert found.slots == (0, 1, 2, 3) and found.geometry.step is None


def test_a_tilted_scanner() -> None:
    found = laid_out([0, 5, 10, 15], shift=1.5)
    assert "tilted by 16.7°" in found.geometry.fault and "1.5 mm" in found.geometry.fault
    assert found.geometry.step == 5


def test_slices_beside_each_other() -> None:
    origins = np.array([[0.0, (at % 2) * 3.0, 5.0 * at] for at in range(9)])
    assert "beside each other" in arrange(origins, DOWN, ACROSS, (1, 1)).geometry.fault


def test_too_few_slices() -> None:
    assert "at least 4" in laid_out([0, 5, 10]).geometry.fault
    single = laid_out([3])
    assert "single" in single.geometry.fault and single.geometry.affine is None


def test_places_of_their_own() -> None:
    assert have_places_of_their_own(np.array([3.0, 1.0, 2.0]))
    assert not have_places_of_their_own(np.array([3.0, 1.0, 3.0]))
    assert have_places_of_their_own(np.array([3.0]))
