"""The procedural birds: the table of traits, and that the pictures keep what the table says."""

import subprocess
import sys
from itertools import combinations
from types import ModuleType

import numpy as np
import pytest
import torch

from explain.bundled.birds.draw import draw_batch, draw_bird
from explain.bundled.birds.species import PARTS, PLUMAGES, SPECIES, TRAITS, find_siblings, find_species
from explain.bundled.making.aviary import CLASSES, GRID, Aviary, draw_examples, normalise
from explain.bundled.making.examples import Examples, Variation
from explain.errors import PictureError

SEEDS = (0, 1, 2, 77, 4_000_000_001)


def test_the_table() -> None:
    assert len({species.name for species in SPECIES}) == len(SPECIES) >= 10
    rows = [tuple(getattr(species, trait) for trait in ("plumage", *TRAITS)) for species in SPECIES]
    assert len(set(rows)) == len(rows)
    assert {species.plumage for species in SPECIES} == set(PLUMAGES)
    assert set(TRAITS.values()) <= set(PARTS)


def test_at_least_five_pairs_differ_in_exactly_one_trait() -> None:
    """By a plain comparison of the rows."""
    found = set()
    for first, second in combinations(SPECIES, 2):
        different = [name for name in ("plumage", *TRAITS) if getattr(first, name) != getattr(second, name)]
        if len(different) == 1 and different != ["plumage"]:
            found.add((first.name, second.name, different[0], TRAITS[different[0]]))
    assert found == {(pair.plain, pair.marked, pair.trait, pair.part) for pair in find_siblings()}
    assert len({pair.trait for pair in find_siblings()}) >= 5


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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
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


def test_examples_are_drawn_alike_by_one_process_and_by_several(monkeypatch: pytest.MonkeyPatch) -> None:
    # Processes begin by running the main script again, and AppTest leaves one of its own there.
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    monkeypatch.setattr("explain.bundled.making.aviary._CHUNK", 8)
    draw_examples.cache_clear()
    several = draw_examples(range(12))
    pixels, cells = draw_batch(range(12), GRID)
    assert torch.equal(several.pictures.permute(0, 2, 3, 1), torch.from_numpy(pixels))
    assert several.cells is not None and torch.equal(several.cells, torch.from_numpy(cells))
    assert [CLASSES[index] for index in several.classes] == [species.name for species in SPECIES]


def test_a_mirrored_picture_has_mirrored_cells() -> None:
    pixels, cells = draw_batch([4], GRID)
    one = Examples(torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.zeros(1), torch.from_numpy(cells))
    many = one.pick(torch.zeros(16, dtype=torch.long))
    varied = Aviary().vary(many, 96, torch.Generator().manual_seed(0), Variation(zoom=0, light=0, erase=0))
    still = normalise(one.pictures)[0]
    assert many.cells is not None and varied.cells is not None
    mirrored = 0
    for picture, shown in zip(varied.pictures, varied.cells, strict=True):
        flipped = (picture - still.flip(2)).abs().mean() < (picture - still).abs().mean()
        expected = still.flip(2) if flipped else still
        assert (picture - expected).abs().mean() < 0.1
        assert torch.equal(shown, many.cells[0].flip(1) if flipped else many.cells[0])
        mirrored += bool(flipped)
    assert 0 < mirrored < 16
