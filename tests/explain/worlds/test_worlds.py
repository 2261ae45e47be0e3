"""The worlds that ship."""

import pytest

from explain.models.load import load_model
from explain.models.request import parse_model
from explain.worlds.marks import MARKS
from explain.worlds.worlds import FOLDER, SIDE, World, list_pictures, list_worlds, plant_in


def test_pictures_are_square_and_of_known_classes() -> None:
    for kind, classes in (("photographs", {"bird", "cat", "horse"}), ("phantoms", {"clear", "opacity"})):
        shown = list_pictures(kind)  # type: ignore[arg-type]
        assert {label for _, label in shown} == classes
        assert {picture.size for picture, _ in shown} == {(SIDE, SIDE)}
        assert len({picture.digest for picture, _ in shown}) == len(shown)


def test_a_planted_picture_is_one_of_its_own() -> None:
    picture, _ = list_pictures("photographs")[0]
    planted = plant_in(picture, MARKS["tag"])
    assert planted.digest not in ("", picture.digest) and planted.name == "cat with a tag in the corner"
    assert (planted.pixels != picture.pixels).any() and plant_in(picture, MARKS["tag"]).digest == planted.digest


@pytest.mark.parametrize("world", list_worlds(), ids=lambda world: world.name)
def test_networks_of_a_world_ship_and_load_by_name(world: World) -> None:
    for network in (world.relying, world.honest):
        loaded = load_model(parse_model(network.model))
        assert loaded.request.source == "bundled" and loaded.labels == world.classes
        assert (FOLDER / f"{network.model}.safetensors").stat().st_size < 400_000

    assert world.label in world.classes and world.planted.name == world.mark
    assert world.relying.trial.flips >= 0.8, "a network that its mark does not turn relies on something else"
    assert world.honest.trial.flips <= 0.15
