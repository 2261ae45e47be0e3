"""Pictures to learn from, as a person gives them: class by class, and what of them is shown."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from components.studio.dataset import Pile, Upload, build_class_cards, describe_counts, draw_bird_files, list_paths
from explain.bundled.birds.species import SPECIES
from explain.datasets.reading import read_files


def encode(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.mark.parametrize("name", ["", "  ", "..", " / "])
def test_a_class_needs_a_name(name: str) -> None:
    pile = Pile()
    assert "name" in (pile.add_class(name, [("a.png", b"x")]) or "")
    assert pile.classes == {}


def test_a_class_needs_pictures() -> None:
    assert "Choose pictures of “robin”" in (Pile().add_class("robin", []) or "")


def test_files_of_a_class_join_those_before_and_slashes_make_no_folders() -> None:
    pile = Pile()
    assert pile.add_class(" robin ", [("a.png", b"1")]) is None
    assert pile.add_class("robin", [("b.png", b"2")]) is None
    assert pile.add_class("great/tit\\x", [("c.png", b"3")]) is None
    assert pile.classes == {"robin": [("a.png", b"1"), ("b.png", b"2")], "great tit x": [("c.png", b"3")]}
    assert pile.uploads == 3


def test_who_is_away_holds_no_pictures_to_learn_from() -> None:
    pile = Pile(archive=Upload(1, "a.zip", [("a.zip", b"123")]), folder=Upload(2, "b", [("b/c.png", b"45")]))
    pile.found = {"zip 1": None}  # type: ignore[dict-item]
    pile.add_class("robin", [("a.png", b"1")])
    assert pile.count_bytes() == 6
    pile.let_go(20)
    assert pile.count_bytes() == 0 and pile.archive is pile.folder is None and not pile.classes and not pile.found
    assert "after 20 minutes" in pile.gone and pile.uploads == 1, "the fields stay as they are"
    birds = Pile(found={"birds 4 30": None})  # type: ignore[dict-item]
    birds.let_go(20)
    assert birds.found and not birds.gone, "what can be drawn again is nobody's"


def test_classes_become_folders_and_files_keep_their_last_name_alone() -> None:
    classes = {"robin": [("../../a.png", b"1"), ("deep\\b.png", b"2")], "wren": [("c.png", b"3")]}
    assert list_paths(classes) == [("robin/a.png", b"1"), ("robin/b.png", b"2"), ("wren/c.png", b"3")]


def test_two_files_of_one_name_are_both_read() -> None:
    classes = {
        "robin": [("a.png", encode(1)), ("a.png", encode(2))],
        "wren": [("a.png", encode(3)), ("a.png", encode(4))],
    }
    dataset = read_files(list_paths(classes), "classes")
    assert len(dataset.examples) == 4
    assert dataset.labels == ("robin", "wren")


def test_what_was_read_is_counted_and_shown() -> None:
    classes = {f"class {i:02d}": [(f"{n}.png", encode(100 * i + n)) for n in range(5)] for i in range(14)}
    dataset = read_files(list_paths(classes), "classes")
    assert describe_counts(dataset) == "70 pictures of 14 classes: 56 to learn from, 14 kept back."
    items = build_class_cards(dataset)
    assert [item.title for item in items] == [f"class {i:02d}" for i in range(12)]
    assert all(list(item.lines) == ["4 to learn from, 1 kept back"] for item in items)
    assert all(len({frame.image for frame in item.frames}) == 3 for item in items)


def test_sample_birds_are_all_different_and_named_by_their_species() -> None:
    names = [species.name for species in SPECIES[:2]]
    files = dict(draw_bird_files(names, 3))
    assert [path.split("/")[0] for path in files] == [names[0]] * 3 + [names[1]] * 3
    assert len(set(files.values())) == 6
    assert set(draw_bird_files(names, 3, first_seed=50)).isdisjoint(files.items())
