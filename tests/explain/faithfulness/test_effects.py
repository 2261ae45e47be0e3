"""What regions do, worked out of numbers, and the sentence about it."""

import re

import numpy as np
import pytest

from explain.faithfulness.effects import (
    FILLS,
    Answered,
    Change,
    Effect,
    Effects,
    list_kept,
    list_notes,
    work_out,
)

WHOLE = Answered("cat", 5.0, 0.9, "cat")


def make_change(removal: list[float], places: np.ndarray) -> Change:
    controls = np.repeat(places[:, None], len(FILLS), 1)
    return Change(np.array(removal), np.zeros(4), np.zeros(4), controls)


def make_effects(change: Change, flips: dict | None = None) -> Effects:
    probability = make_change([0.5, 0.5, 0.5, 0.5], np.zeros(19))
    return Effects(WHOLE, [Effect("ear", 0.1, change, probability, flips or {})])


@pytest.mark.parametrize("count", [1, 3, 9])
def test_removal_and_alone_are_differences_of_what_is_shown(count: int) -> None:
    random = np.random.default_rng(count)
    kept = list_kept(count)
    values = random.normal(size=(len(kept), len(FILLS)))
    controls = [random.normal(size=(5, len(FILLS))) for _ in range(count)]
    by_row = {tuple(row): value for row, value in zip(kept.tolist(), values, strict=True)}
    every, nothing = by_row[(True,) * count], by_row[(False,) * count]
    changes = work_out(values, kept, controls)
    for number, change in enumerate(changes):
        others = tuple(number != other for other in range(count))
        alone = tuple(number == other for other in range(count))
        np.testing.assert_allclose(change.removal, every - by_row[others])
        np.testing.assert_allclose(change.alone, by_row[alone] - nothing)
        np.testing.assert_allclose(change.controls, every - controls[number])
    if count == 9:
        assert len(kept) == 20 and all(change.share is None for change in changes)
        assert "8 regions at most" in list_notes(9)[0]
    else:
        np.testing.assert_allclose(sum(change.share for change in changes), every - nothing)


def test_it_stands_out_where_no_other_place_does_as_much() -> None:
    places = np.linspace(-0.5, 1.0, 19)
    assert make_change([2, 2, 2, 2], places).stands_out and make_change([2, 2, 2, 2], places).chance == 0.05
    assert make_change([-2, -2, -2, -2], places).stands_out
    assert not make_change([0.9, 0.9, 0.9, 0.9], places).stands_out
    assert not make_change([9, 9, 9, -1], places).stands_out  # which way depends on the fill
    low = make_change([0.1, 0.1, 0.1, 0.1], np.linspace(0.5, 1.0, 19))
    assert low.chance == 0.05 and not low.stands_out  # it does less than any other place
    assert make_change([2, 2, 2, 2], places[:6]).chance is None
    assert make_change([2, 2, 2, 2], places).surplus == pytest.approx(2 - np.median(places))


def test_by_chance_one_in_twenty_is_first() -> None:
    random = np.random.default_rng(5)
    found = [make_change([random.normal()] * 4, random.normal(size=19)).chance == 0.05 for _ in range(4000)]
    assert 0.08 < np.mean(found) < 0.12  # of two ends


def test_the_sentence_says_its_numbers_and_names_a_flip() -> None:
    effects = make_effects(make_change([1, 2, 3, 4], np.zeros(19)), {"blur": "dog", "noise": "dog"})
    said = effects.sentence
    assert [float(number.replace("−", "-")) for number in re.findall(r"[+−]\d+\.\d+", said)] == [-2.5, -4.0, -1.0]
    assert "from 90 % to 40 %" in said and "flips from “cat” to “dog” under 2 of 4 fills" in said
    assert "none of 19 other places" in said
    within = make_effects(make_change([1, 1, 1, 1], np.linspace(-2, 2, 19))).sentence
    assert within.startswith("No place stands out.") and "−2.00 to +2.00" in within
    assert "depends on what fills" in make_effects(make_change([9, 9, 9, -1], np.zeros(19))).sentence
    assert "too large to compare" in make_effects(make_change([1, 1, 1, 1], np.zeros(3))).sentence
    assert effects.as_data()["regions"][0]["score"]["stands_out"] is True
