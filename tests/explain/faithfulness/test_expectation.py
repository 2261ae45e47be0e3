"""What an expert expects: against tables made by hand, and the cosine worked out cell by cell."""

import numpy as np
import pytest

from explain.bundled.birds.species import PARTS, SPECIES
from explain.errors import DataSetError
from explain.faithfulness.effects import FILLS, Answered, Change, Effect, Effects
from explain.faithfulness.expectation import (
    describe_layers,
    find_cosine,
    judge_parts,
    list_traits,
    look_at_mask,
    read_expectations,
    write_expectations,
)


def make_effect(name: str, removal: float, spread: float = 0.0, places: int = 19) -> Effect:
    """A region without which the score falls so far under each fill, and by up to 1 without other places."""
    falls = removal + spread * np.linspace(-1, 1, len(FILLS))
    controls = np.repeat(np.linspace(-1, 1, places)[:, None], len(FILLS), axis=1)
    return Effect(name, 0.1, Change(falls, falls, None, controls), None, {})


def make_effects(*effects: Effect) -> Effects:
    return Effects(Answered("finch", 3.0, None, "finch"), effects)


def test_parts_are_misattributed_where_their_effect_is_wrong_or_missing() -> None:
    effects = make_effects(
        make_effect("crest", 2.0),
        make_effect("cap", -2.0),
        make_effect("eye", 0.5),
        make_effect("bill", 2.0),
        make_effect("legs", 2.0, spread=3.0),  # which way depends on the fill
        make_effect("body", 2.0, places=3),
        make_effect("tail", 2.0),
        make_effect("wing", 0.1),
    )
    expected = {"crest": 1, "cap": 1, "eye": 1, "bill": -1, "legs": 1, "body": 1, "throat": -1, "wing": 0}
    agreement = judge_parts(effects, expected)  # type: ignore[arg-type]
    assert {part.name: part.verdict for part in agreement.parts} == {
        "crest": "as expected",
        "cap": "wrong way",
        "eye": "no effect",
        "bill": "wrong way",
        "legs": "no effect",
        "body": "too large to compare",
    }
    assert agreement.beyond == ("tail",) and agreement.unseen == ("throat",)
    assert agreement.sentence == (
        "Misattributed: 4 of 5: “cap” works the wrong way, “eye” has no effect, “bill” works the wrong way, “legs” has "
        "no effect. Too large to compare with other places: body. Not expected, and stands out: tail. Expected, but "
        "not among the regions: throat."
    )
    data = agreement.as_data()
    assert (data["misattributed"], data["judged"]) == (4, 5) and data["parts"][0]["removal"] == pytest.approx(2.0)


def test_nothing_expected_is_nothing_misattributed() -> None:
    agreement = judge_parts(make_effects(make_effect("crest", 0.1)), {})
    assert agreement.misattributed == () and "nothing was expected" in agreement.sentence


def test_the_cosine_is_that_of_mean_magnitudes_on_the_layers_cells() -> None:
    random = np.random.default_rng(0)
    activations = random.standard_normal((5, 3, 4))
    mask = np.zeros((6, 8), dtype=bool)
    mask[1:5, 2:5] = True
    controls = np.stack([np.roll(mask, shift, axis=1) for shift in range(1, 8)])
    look = look_at_mask("layer", activations, mask, controls)

    def by_hand(one: np.ndarray) -> float:
        dot = active = laid = 0.0
        for row in range(3):
            for column in range(4):
                value = sum(abs(activations[channel, row, column]) for channel in range(5)) / 5
                share = one[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].mean()
                dot, active, laid = dot + value * share, active + value**2, laid + share**2
        return float(dot / np.sqrt(active * laid))

    assert look.cosine == pytest.approx(by_hand(mask))
    assert look.places == pytest.approx([by_hand(control) for control in controls])
    assert find_cosine(np.ones((3, 4)), np.zeros((3, 4))) == 0.0


def test_a_layer_stands_out_where_no_other_place_fits_as_well() -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[:4, :4] = True
    controls = np.stack([np.roll(mask, shift, axis=1) for shift in (3, 4)] * 4)
    there = np.zeros((2, 4, 4))
    there[:, :2, :2] = 1.0
    own, other = look_at_mask("own", there, mask, controls), look_at_mask("other", there[..., ::-1], mask, controls)
    assert own.cosine == pytest.approx(1.0) and own.even == pytest.approx(0.5)
    assert own.stands_out and not other.stands_out
    assert describe_layers([own, other]).startswith("1 of 2 layers") and "own" in describe_layers([own, other])
    few = look_at_mask("few", there, mask, controls[:2])
    assert not few.stands_out and "too large" in describe_layers([few])
    assert describe_layers([other]).startswith("None of 1 layers") and describe_layers([]) == ""


def test_the_birds_traits_are_expected_where_they_are() -> None:
    table = list_traits()
    assert [*table] == [species.name for species in SPECIES]
    assert {part for row in table.values() for part in row} <= set(PARTS)
    assert table["crested finch"] == {"crest": 1} and table["sunny finch"] == {"crest": -1}
    assert table["barred tit"] == {"cap": 1, "wing bars": 1} and table["brook tit"] == {"cap": 1, "wing bars": -1}
    assert table["dusk martin"] == {"tail": 1} == table["forked martin"]


def test_a_table_comes_back_as_it_was_written() -> None:
    table = list_traits()
    assert read_expectations(write_expectations(table), "traits.csv") == table
    spoken = "\ufeffclass; ear ;snout\ncat;+1;\ndog; − ;none\n\n".encode()
    assert read_expectations(spoken, "x.csv") == {"cat": {"ear": 1}, "dog": {"ear": -1}}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no table"),
        (b"class,ear\n", "no table"),
        (b"just text\nmore", "no table"),
        (b"class,ear\ncat,maybe", "says “maybe” of “cat”"),
        (b"class,ear\ncat,+\ncat,-", "two rows for “cat”"),
        (b"\x00\xff\n\x01,\x02", "no table"),
        (b"class,ear\n" + b"x" * 1_000_000, "too large"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(data: bytes, said: str) -> None:
    with pytest.raises(DataSetError, match=said):
        read_expectations(data, "x.csv")
