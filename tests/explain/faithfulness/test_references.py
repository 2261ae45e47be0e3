"""The pictures that one under test is compared with."""

import hashlib

from explain.bundled.models import bundled_models
from explain.bundled.pictures import bundled_pictures
from explain.faithfulness.references import list_references
from explain.faithfulness.verdict import FEWEST_OTHERS


def test_there_are_enough_for_every_bundled_model_and_each_is_another() -> None:
    for model in bundled_models():
        found = list_references(model.classes, "", FEWEST_OTHERS)
        assert len({picture.digest for picture in found}) == FEWEST_OTHERS
        assert len({picture.pixels.tobytes() for picture in found}) == FEWEST_OTHERS


def test_birds_are_compared_with_birds_and_photographs_with_photographs() -> None:
    drawn = {entry.name for entry in bundled_pictures() if entry.seed is not None}
    assert {picture.name for picture in list_references(("crested finch",), "", 30)} <= drawn
    assert not {picture.name for picture in list_references(("cat", "dog"), "", 30)} & drawn


def test_neither_the_picture_nor_a_part_of_it_is_among_them() -> None:
    entry = next(entry for entry in bundled_pictures() if entry.seed is None)
    digest = hashlib.sha256(entry.path.read_bytes()).hexdigest()
    assert entry.name in {picture.name for picture in list_references((), "", 99)}
    assert entry.name not in {picture.name for picture in list_references((), digest, 99)}
