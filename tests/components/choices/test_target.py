"""Classes as a person picks them."""

from components.choices.target import name_classes


def test_classes_of_one_name_are_told_apart() -> None:
    assert name_classes(["crane", "dog", "crane"]) == ["crane · class 0", "dog", "crane · class 2"]


def test_all_names_differ_and_lone_ones_stay_as_they_are() -> None:
    labels = ["a", "b", "a", "c", "b", "a"]
    named = name_classes(labels)
    assert len(set(named)) == len(labels)
    assert named[3] == "c"
