"""Birds as examples to learn from."""

import sys
from types import ModuleType

import pytest
import torch

from explain.bundled.birds.draw import draw_batch
from explain.bundled.birds.species import SPECIES
from explain.bundled.making.aviary import CLASSES, GRID, Aviary, draw_examples, normalise
from explain.bundled.making.examples import Examples, Variation


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
