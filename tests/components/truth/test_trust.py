"""The playable question: what a round shows, what it hides, and how its answers are counted."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from components.truth.trust import Round, build_proof_card, count_changed, deal, describe_count
from explain.engine.explanation import Prediction
from explain.worlds.worlds import list_pictures
from tests.support.worlds import make_world


@pytest.fixture
def worlds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made = tuple(
        make_world(mark, mark, label) for mark, label in (("tag", "cat"), ("patch", "bird"), ("tint", "horse"))
    )
    monkeypatch.setattr("components.truth.trust.list_worlds", lambda: made)
    return [world.name for world in made]


def get(number: int) -> Round:
    dealt = deal(number)
    assert dealt is not None
    return dealt


def test_a_round_is_the_same_for_everyone_and_hides_who_cheats(worlds: list[str]) -> None:
    rounds = [get(number) for number in range(1, 61)]
    for turn in range(20):
        assert sorted(dealt.world.name for dealt in rounds[3 * turn : 3 * turn + 3]) == sorted(worlds)
    sides = Counter(dealt.cheat for dealt in rounds)
    assert 20 <= sides["A"] <= 40, "neither letter gives it away"
    once, again = get(7), get(7)
    assert (once.cheat, once.world.name) == (again.cheat, again.world.name)
    assert [one.digest for one, _ in once.collected] == [one.digest for one, _ in again.collected]
    assert once.models[once.cheat] == once.world.relying.model
    assert set(once.models.values()) == {once.world.relying.model, once.world.honest.model}
    assert once.least_right == 96, "rounded down, and of the worse one"


def test_pictures_are_shown_as_they_were_collected_and_the_proof_is_of_other_classes(worlds: list[str]) -> None:
    plain = {picture.digest: label for picture, label in list_pictures("photographs")}
    for number in range(1, 7):
        dealt = get(number)
        assert 2 <= len(dealt.collected) <= 4
        for picture, label in dealt.collected:
            assert (picture.digest not in plain) == (label == dealt.world.label), "the mark is on its class alone"
        assert any(label == dealt.world.label for _, label in dealt.collected)
        for before, after in dealt.pairs:
            assert plain[before.digest] != dealt.world.label and after.digest not in plain
            assert np.any(before.pixels != after.pixels)


def test_answers_are_counted(worlds: list[str]) -> None:
    assert describe_count({}) == ""
    wrong, right = ({number: get(number).cheat for number in (1, 2)}, {3: "A" if get(3).cheat == "B" else "B"})
    assert describe_count({**wrong, **right}).startswith("You found the cheat in 1 of 3 rounds.")  # type: ignore[dict-item]
    assert "0 of 1 round." in describe_count({1: get(1).cheat})


def test_the_proof_says_what_the_mark_changes(worlds: list[str]) -> None:
    dealt = get(1)
    bird, cat = Prediction(0, "bird", 0.9), Prediction(1, "cat", 0.8)
    answers = [(bird, cat), (bird, bird), (cat, bird), (cat, cat)][: len(dealt.pairs)]
    assert count_changed(answers) == sum(before is not after for before, after in answers)
    card = build_proof_card("A", dealt, answers)
    assert [frame.label for frame in card.frames][:2] == ["bird → cat", "bird"]
    assert card.title == f"Network A: {count_changed(answers)} of {len(answers)} answers change"
    assert ("90 % of others" if dealt.cheat == "A" else "2 % of others") in card.lines[0]
    assert "says bird without" in card.frames[0].alt and "cat with it" in card.frames[0].alt


def test_without_worlds_there_is_no_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.truth.trust.list_worlds", lambda: ())
    assert deal(1) is None
