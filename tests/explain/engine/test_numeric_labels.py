"""Class names that are numbers, in the order of folders, are never taken for indices without a word."""

import pytest

from explain.engine.question import find_target
from explain.errors import TargetError
from tests.support.engine import build_model

FOLDERS = build_model("cnn", labels=tuple(sorted(map(str, range(1, 13)))))
"""1, 10, 11, 12, 2 … 9."""


@pytest.mark.parametrize("index", range(12))
def test_a_number_is_an_index(index: int) -> None:
    assert find_target(FOLDERS, index) == index


def test_a_text_that_is_one_name_and_another_index_is_refused_with_both_readings() -> None:
    with pytest.raises(TargetError) as caught:
        find_target(FOLDERS, "10")
    assert "the name of class 1" in str(caught.value) and "the index of the class “8”" in str(caught.value)
    assert find_target(FOLDERS, "index:1") == 1
    assert find_target(FOLDERS, "index:10") == 10


def test_a_text_with_one_reading_is_taken() -> None:
    assert find_target(FOLDERS, "12") == 3
    assert find_target(FOLDERS, "0") == 0
    same = build_model("cnn", labels=tuple(map(str, range(6))))
    assert [find_target(same, str(index)) for index in range(6)] == [*range(6)]
    assert find_target(build_model("cnn"), "3") == 3


@pytest.mark.parametrize(
    ("target", "words"), [("index:12", "classes 0 to 11"), ("index:x", "no class"), (12, "classes 0 to 11")]
)
def test_an_index_that_does_not_exist(target: int | str, words: str) -> None:
    with pytest.raises(TargetError, match=words):
        find_target(FOLDERS, target)


def test_a_name_given_twice_asks_for_an_index_where_it_is_a_number_too() -> None:
    model = build_model("cnn", labels=("7", "a", "7"))
    with pytest.raises(TargetError, match="0, 2"):
        find_target(model, "7")
