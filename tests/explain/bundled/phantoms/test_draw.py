"""Drawn volumes: nothing but the lesion tells the kinds apart, and the lesion is where the truth says."""

import numpy as np
import pytest

from explain.bundled.phantoms.draw import HOLLOW, LESION, SHAPE, SOLID, SPACING, Phantom, draw_batch, draw_phantom
from explain.bundled.phantoms.kinds import KINDS

_SEEDS = (3, 4)


@pytest.fixture(scope="module")
def drawn() -> dict[tuple[str, int], Phantom]:
    return {(kind.name, seed): draw_phantom(kind.name, seed) for kind in KINDS for seed in _SEEDS}


def _grow(voxels: np.ndarray) -> np.ndarray:
    """The voxels and all that touch them."""
    grown = voxels.copy()
    for at in np.argwhere(voxels):
        grown[tuple(slice(max(place - 1, 0), place + 2) for place in at)] = True
    return grown


def test_a_seed_draws_the_same_again(drawn: dict[tuple[str, int], Phantom]) -> None:
    again = draw_phantom(KINDS[5].name, 4)
    assert np.array_equal(again.values, drawn[KINDS[5].name, 4].values)
    assert again.values.shape == SHAPE and again.values.dtype == np.int16


def test_kinds_of_one_seed_differ_in_the_lesion_alone(drawn: dict[tuple[str, int], Phantom]) -> None:
    for seed in _SEEDS:
        bare = drawn[KINDS[0].name, seed].bare
        for kind in KINDS:
            one = drawn[kind.name, seed]
            assert np.array_equal(one.bare, bare)
            changed = one.values != one.bare
            # Its edge passes over into what is round it within one voxel.
            assert changed.any() and not (changed & ~_grow(one.lesion)).any()
    assert not np.array_equal(drawn[KINDS[0].name, 3].bare, drawn[KINDS[0].name, 4].bare)


def test_place_size_and_texture_are_those_of_the_kind(drawn: dict[tuple[str, int], Phantom]) -> None:
    for (name, seed), one in drawn.items():
        kind = next(kind for kind in KINDS if kind.name == name)
        before, after = (values[one.lesion].astype(float) for values in (one.bare, one.values))
        organ = HOLLOW if kind.place == "hollow" else SOLID
        assert abs(np.median(before) - organ) < 60, (name, seed)
        assert abs(np.median(after) - LESION) < (60 if kind.texture == "smooth" else 160), (name, seed)
        radius = (one.lesion.sum() * np.prod(SPACING) * 3 / (4 * np.pi)) ** (1 / 3)
        assert (5.2 < radius < 6.6) if kind.size == "small" else (9.2 < radius < 11.0), (name, seed)
        core = np.percentile(after, (25, 75))
        assert (core[1] - core[0] > 120) == (kind.texture == "grainy"), (name, seed)


def test_batches_are_drawn_in_the_order_of_the_seeds() -> None:
    values, lesions = draw_batch(range(7, 10))
    for seed, own, lesion in zip(range(7, 10), values, lesions, strict=True):
        one = draw_phantom(KINDS[seed % 8].name, seed)
        assert np.array_equal(one.values, own) and np.array_equal(one.lesion, lesion)
