"""The procedural birds: the pictures keep what the table of traits says."""

import subprocess
import sys

import numpy as np
import pytest

from explain.bundled.birds.draw import draw_batch, draw_bird
from explain.bundled.birds.species import PARTS, SPECIES, TRAITS, find_siblings, find_species
from explain.bundled.making.aviary import GRID
from explain.errors import PictureError

SEEDS = (0, 1, 2, 77, 4_000_000_001)


@pytest.mark.parametrize("pair", find_siblings(), ids=lambda pair: pair.part)
@pytest.mark.parametrize("size", [96, 64])
def test_siblings_differ_only_in_the_part(pair, size: int) -> None:  # type: ignore[no-untyped-def]
    for seed in SEEDS:
        plain, marked = draw_bird(pair.plain, seed, size), draw_bird(pair.marked, seed, size)
        differ = (plain.pixels != marked.pixels).any(2)
        part = plain.masks[pair.part] | marked.masks[pair.part]
        assert differ.any()
        assert not (differ & ~part).any()
        # The part is large enough to be seen: a third of a cell of the 12 × 12 at least.
        assert marked.masks[pair.part].sum() >= (size / 12) ** 2 / 3
        for other in set(PARTS) - {pair.part}:
            assert not ((plain.masks[other] != marked.masks[other]) & ~part).any()


def test_the_same_for_the_same_species_and_seed() -> None:
    first, again, other = (draw_bird("ruby warbler", seed) for seed in (5, 5, 6))
    assert np.array_equal(first.pixels, again.pixels)
    assert all(np.array_equal(first.masks[part], again.masks[part]) for part in PARTS)
    assert not np.array_equal(first.pixels, other.pixels)


@pytest.mark.parametrize("species", SPECIES, ids=lambda species: species.name)
def test_masks_are_the_parts_the_table_lists(species) -> None:  # type: ignore[no-untyped-def]
    always = {"tail", "legs", "bill", "body", "head", "wing", "eye"}
    own = {TRAITS[trait] for trait in TRAITS if getattr(species, trait) is not None}
    for seed in SEEDS:
        bird = draw_bird(species.name, seed)
        assert bird.pixels.shape == (96, 96, 3) and bird.pixels.dtype == np.uint8
        assert set(bird.masks) == set(PARTS)
        assert all(mask.shape == (96, 96) and mask.dtype == bool for mask in bird.masks.values())
        assert {part for part, mask in bird.masks.items() if mask.any()} == always | own
        whole = np.any(list(bird.masks.values()), axis=0)
        assert 0.08 < whole.mean() < 0.6
        for part in own | {"bill", "eye"}:
            mask = bird.masks[part]
            assert mask[1:-1, 1:-1].sum() >= 0.97 * mask.sum(), f"{part} is cut off by the frame"


def test_a_larger_picture_shows_the_same_bird() -> None:
    small, large = draw_bird("barred tit", 3, 96), draw_bird("barred tit", 3, 480)
    shrunk = large.pixels.reshape(96, 5, 96, 5, 3).mean((1, 3))
    assert np.abs(shrunk - small.pixels).mean() < 3
    for part in ("wing bars", "eye", "tail"):
        ours, theirs = small.masks[part], large.masks[part].reshape(96, 5, 96, 5).mean((1, 3)) > 0.5
        assert (ours & theirs).sum() >= 0.95 * theirs.sum()


def test_what_cannot_be_drawn_is_a_sentence() -> None:
    with pytest.raises(PictureError, match="There is no bird “dodo”"):
        find_species("dodo")
    for size in (0, 31, 5000):
        with pytest.raises(PictureError, match="pixels, not"):
            draw_bird("brook tit", 0, size)


def test_drawing_needs_no_torch() -> None:
    code = "import sys, explain.bundled.birds.draw as b; b.draw_bird('brook tit', 0); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "False", done.stderr


def test_batches_are_the_single_birds_with_their_cells() -> None:
    pixels, cells = draw_batch(range(9, 13), GRID)
    assert cells.shape == (4, GRID, GRID, len(PARTS))
    for i, seed in enumerate(range(9, 13)):
        bird = draw_bird(SPECIES[seed % len(SPECIES)].name, seed)
        assert np.array_equal(pixels[i], bird.pixels)
        for index, part in enumerate(PARTS):
            for row, column in ((3, 4), (5, 5), (6, 7)):
                covered = bird.masks[part][8 * row : 8 * row + 8, 8 * column : 8 * column + 8].mean()
                assert cells[i, row, column, index] == (covered >= 1 / 6)
