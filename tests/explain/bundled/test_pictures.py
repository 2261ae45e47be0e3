"""The example pictures: their order, the parts of the birds, and how one is found."""

import numpy as np

from explain.bundled.birds.species import PARTS, SPECIES
from explain.bundled.making.bird_pictures import draw_example
from explain.bundled.pictures import FOLDER, bundled_pictures, find_bundled, read_parts
from explain.pictures.decode import decode

BIRDS = [picture for picture in bundled_pictures() if picture.seed is not None]


def test_birds_come_after_the_photographs() -> None:
    seeds = [picture.seed for picture in bundled_pictures()]
    assert 4 <= len(BIRDS) <= 8
    assert seeds[: len(seeds) - len(BIRDS)] == [None] * (len(seeds) - len(BIRDS))
    assert {picture.classes[0] for picture in BIRDS} <= {species.name for species in SPECIES}
    assert {picture.parts for picture in BIRDS} == set(FOLDER.glob("*.parts.png"))


def test_parts_are_read_by_name() -> None:
    bird = next(picture for picture in BIRDS if picture.name == "crested-finch")
    parts, drawn = read_parts(bird), draw_example(bird)
    assert list(parts) == [part for part in PARTS if part in parts]
    assert "crest" in parts and "wing bars" not in parts
    for part, mask in parts.items():
        assert mask.dtype == bool and mask.any() and not (mask & ~drawn.masks[part]).any()
    assert np.array_equal(np.sum(list(parts.values()), axis=0) > 0, np.any(list(drawn.masks.values()), axis=0))
    assert np.sum(list(parts.values()), axis=0).max() == 1
    assert read_parts(bundled_pictures()[0]) == {}


def test_an_example_is_found_by_its_digest() -> None:
    for entry in bundled_pictures():
        assert find_bundled(decode(entry.path.read_bytes(), "x").digest) is entry
    assert find_bundled("0" * 64) is None
