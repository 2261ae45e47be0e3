"""What the classes of a thousand mean to a model of ten."""

import re

from explain.bundled.kinds import _list_kinds, find_prompts_for, find_same
from explain.bundled.models import bundled_models
from explain.bundled.pictures import bundled_pictures

TEN = next(model.classes for model in bundled_models() if model.name == "photo-vit")


def test_a_class_means_that_of_its_name_or_of_its_kind() -> None:
    assert find_same("cat", TEN) == find_same("tabby", TEN) == find_same("tiger cat", TEN) == "cat"
    assert find_same("German shepherd", TEN) == "dog" and find_same("sorrel", TEN) == "horse"
    assert find_same("espresso", TEN) is find_same("lynx", TEN) is find_same("gazelle", TEN) is None
    assert find_same("tabby", ("lynx",)) is None


def test_names_agree_with_their_kinds() -> None:
    kinds = _list_kinds()
    assert set(kinds.values()) <= set(TEN)
    words = {"dog": "cat", "cat": "dog", "bird": "truck", "ship": "truck", "truck": "ship", "frog": "toad"}
    for label, kind in kinds.items():
        assert not re.search(rf"\b{words.get(kind, 'cat')}\b", label), (label, kind)
    for label in ("Siamese cat", "Egyptian cat"):
        assert kinds[label] == "cat"
    for label in ("Chihuahua", "Mexican hairless", "golden retriever", "pug"):
        assert kinds[label] == "dog"
    for label in ("cock", "great grey owl", "black grouse", "black swan", "white stork", "albatross"):
        assert kinds[label] == "bird"
    assert {name for name, kind in kinds.items() if kind == "airplane"} == {"airliner", "warplane"}
    assert {name for name, kind in kinds.items() if kind == "frog"} == {"bullfrog", "tree frog", "tailed frog"}


def test_prompts_are_found_for_what_they_know() -> None:
    assert find_prompts_for("tiger cat") == ("photo-vit", "cat")
    assert find_prompts_for("crested finch") == ("birds-vit", "crested finch")
    assert find_prompts_for("espresso") is None


def test_the_first_picture_shows_what_the_first_model_and_the_one_with_prompts_know() -> None:
    first = bundled_pictures()[0]
    assert {find_same(label, TEN) for label in first.classes} == {"cat"}
