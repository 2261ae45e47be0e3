"""From numbers to words: each rule on both of its sides."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from explain.faithfulness.hiding import Hiding
from explain.faithfulness.measures import MEASURES, MeasureName
from explain.faithfulness.transplant import FixedPlace, Transplant
from explain.faithfulness.verdict import Evidence, Fill, Hidden, Mark, Word, decide

STRANGERS = np.linspace(-0.5, 0.93, 741)  # 95 % of them below 0.859


def hide(beaten: float, others: float = 1.0, fill: Fill = "grey", kept: float | None = 0.1, count: int = 39) -> Hidden:
    """A way of hiding, by the shares of moved copies and of other pictures' maps that the map beats."""
    moved = np.where(np.arange(511) < beaten * 511, -0.2, 0.8)
    strange = np.where(np.arange(count) < others * count, -0.2, 0.8)
    return Hidden(fill, Hiding(0.5, moved, strange, 64), kept)


def words(**known: object) -> tuple[Word, ...]:
    return decide(Evidence("cat", **known)).words  # type: ignore[arg-type]


def test_a_map_that_beats_nearly_all_is_backed_and_else_undecided() -> None:
    assert words(hidden=[hide(1.0)]) == ("backed",)
    assert words(hidden=[hide(0.97)]) == ("backed",)
    assert words(hidden=[hide(0.955)]) == ("undecided",)
    assert words(hidden=[hide(1.0, others=0.98)]) == ("backed",)
    assert words(hidden=[hide(1.0, others=0.9)]) == ("undecided",)
    assert words(hidden=[hide(0.5)]) == ("undecided",)


def test_one_that_nearly_all_beat_is_contradicted() -> None:
    assert words(hidden=[hide(0.0)]) == ("contradicted",)
    assert words(hidden=[hide(0.1)]) == ("undecided",)


def test_without_enough_other_pictures_it_says_that_it_passes_too_easily() -> None:
    (mark,) = decide(Evidence("cat", hidden=[hide(1.0, count=38)])).marks
    assert mark.word == "backed" and "passes too easily" in mark.sentence.lower()
    assert "passes too easily" not in decide(Evidence("cat", hidden=[hide(1.0)])).marks[0].sentence.lower()


def test_two_ways_of_hiding_that_disagree_settle_nothing() -> None:
    assert words(hidden=[hide(1.0), hide(0.3, fill="blur")]) == ("undecided",)
    assert words(hidden=[hide(0.0), hide(0.9, fill="blur")]) == ("undecided",)
    assert words(hidden=[hide(1.0), hide(0.7, fill="blur")]) == ("backed",)
    # One that cannot judge has no say.
    assert words(hidden=[hide(1.0), hide(0.3, fill="blur", kept=0.8)]) == ("backed",)
    assert words(hidden=[hide(0.0, kept=0.8), hide(1.0, fill="blur")]) == ("backed",)


def test_all_ways_together_decide() -> None:
    undecided, backed = hide(0.9), hide(1.0)
    assert words(hidden=[undecided, hide(0.9, fill="blur")], together=backed.hiding) == ("backed",)
    assert words(hidden=[backed, hide(1.0, fill="blur")], together=undecided.hiding) == ("undecided",)
    assert words(hidden=[backed, hide(0.3, fill="blur")], together=backed.hiding) == ("undecided",)


def test_the_bound_on_the_card_is_the_stricter_of_both_tests() -> None:
    hiding = Hiding(0.5, np.linspace(0, 1, 511), np.linspace(0, 0.2, 39), 64)
    (mark,) = decide(Evidence("cat", hidden=[Hidden("grey", hiding, 0.1)])).marks
    assert mark.bound == pytest.approx(0.96)
    (mark,) = decide(Evidence("cat", hidden=[Hidden("grey", replace(hiding, others=hiding.others + 1), 0.1)])).marks
    assert mark.bound == pytest.approx(1.19)


def test_a_picture_without_parts_cannot_be_checked() -> None:
    verdict = decide(Evidence("cat", no_parts="The picture is so narrow"))
    assert verdict.words == ("cannot be checked",) and "so narrow" in verdict.marks[0].sentence


def test_what_is_named_with_everything_hidden_cannot_be_checked() -> None:
    verdict = decide(Evidence("cat", hidden=[hide(1.0, kept=0.6), hide(1.0, fill="blur", kept=0.9)]))
    assert verdict.words == ("cannot be checked",) and "everything hidden" in verdict.marks[0].sentence
    still = Hidden("grey", Hiding(float("nan"), np.zeros(511), np.zeros(39), 64), 0.1)
    assert words(hidden=[still]) == ("cannot be checked",)
    assert words(hidden=[hide(1.0, kept=None)]) == ("backed",)  # a value has no probability to lose


@pytest.mark.parametrize(
    ("likenesses", "same"), [((0.95, 0.94), True), ((0.95, 0.5), False), ((0.89, 0.89), False), ((0.95, np.nan), False)]
)
def test_a_map_that_is_the_same_for_a_near_and_a_far_class_is_said_to_be(
    likenesses: tuple[float, ...], same: bool
) -> None:
    known = {"hidden": [hide(1.0)], "rivals": ("lynx", "truck"), "rival_likenesses": likenesses, "strangers": STRANGERS}
    assert words(**known) == (("same for other classes",) if same else ("backed",))


def test_how_alike_is_very_alike_is_measured_on_other_pictures() -> None:
    strangers = np.full(741, 0.97)
    assert words(rivals=("lynx",), rival_likenesses=(0.95,), strangers=strangers, hidden=[hide(1.0)]) == ("backed",)
    assert words(rivals=("lynx",), rival_likenesses=(0.95,), hidden=[hide(1.0)]) == ("backed",)  # none were looked at


def test_a_method_that_does_not_ask_for_the_class_is_the_same_for_all() -> None:
    assert words(class_agnostic=True, hidden=[hide(1.0)]) == ("same for other classes",)
    assert words(class_agnostic=True, hidden=[hide(0.0)]) == ("same for other classes", "contradicted")


def test_a_map_that_changes_though_picture_and_answer_stay_is_unsteady() -> None:
    known = {"hidden": [hide(1.0)], "strangers": STRANGERS}
    assert words(**known, steadiness=0.8, copies=(8, 8)) == ("unsteady",)
    assert words(**known, steadiness=0.9, copies=(8, 8)) == ("backed",)
    assert words(**known, steadiness=0.8, copies=(4, 8)) == (
        "backed",
    )  # the answer itself changes: no fault of the map
    assert words(hidden=[hide(0.0)], strangers=STRANGERS, steadiness=0.8, copies=(8, 8)) == ("contradicted", "unsteady")


def test_nothing_measured_is_said_and_a_blank_map_needs_no_measure() -> None:
    assert words() == ("not measured",)
    assert words(blank=True, hidden=[hide(1.0)]) == ("blank",)
    assert decide(Evidence("cat", missing=("whether it is steady",))).missing == ("whether it is steady",)


def test_no_word_and_no_sentence_is_a_seal() -> None:
    evidence = Evidence("cat", hidden=[hide(1.0)])
    sentences = [decide(evidence).marks[0].sentence, decide(replace(evidence, hidden=[hide(0.0)])).marks[0].sentence]
    for text in [*get_args(Word), *sentences]:
        assert not {"correct", "safe", "diagnostic", "trustworthy"} & {*text.lower().split()}
    assert "not that it is right" in sentences[0]


def test_every_measure_says_what_it_cannot_tell_and_where_it_is_from() -> None:
    assert {*get_args(MeasureName)} == {name for name, measure in MEASURES.items() if measure.compared}
    for measure in MEASURES.values():
        assert measure.cannot and "arXiv" in measure.paper
    marked = decide(Evidence("cat", hidden=[hide(1.0)])).marks[0]
    assert marked.measure is not None and MEASURES[marked.measure].better == "higher"


def place(turned: int, stands_out: float, name: FixedPlace | None = None, cells: range = range(4)) -> Transplant:
    return Transplant(name, tuple(n in cells for n in range(64)), turned, 16, stands_out, needed=True)


def test_one_place_decides_is_said_beside_something_else_and_only_beyond_other_places() -> None:
    assert words(hidden=[hide(1.0)], transplants=[place(15, 9.0)]) == ("backed", "one place decides")
    assert words(hidden=[hide(0.5)], transplants=[place(8, 5.0)]) == ("undecided", "one place decides")
    assert words(transplants=[place(16, 5.0)]) == ("one place decides", "not measured")
    for none in ([], [place(7, 9.0)], [place(16, 4.0)], [replace(place(3, 9.0), tried=3)]):
        assert words(hidden=[hide(1.0)], transplants=none) == ("backed",)


def test_what_is_said_of_a_place_names_it_and_asks() -> None:
    def say(transplants: list[Transplant], hottest: range) -> Mark:
        evidence = Evidence("cat", hidden=[hide(1.0)], transplants=transplants, hottest=frozenset(hottest))
        return decide(evidence).marks[-1]

    patch, edge = place(15, 6.0), place(16, 9.0, "right edge", range(8, 16))
    mark = say([patch, place(2, 1.0, "left edge")], range(4))
    assert mark.sentence.startswith("One patch decides: pasted into 16 other pictures it made 15 of them “cat”.")
    assert mark.sentence.endswith("as a reason?") and mark.value == 15 / 16 and mark.null == (2 / 16,)
    mark = say([place(0, 0.0), edge], range(4))
    assert mark.sentence.startswith("The right edge decides") and mark.sentence.endswith("This map hardly marks it.")
    mark = say([place(0, 0.0), replace(edge, needed=False)], range(8, 12))
    assert mark.sentence.endswith("Without it the answer stays as it is.") and "hardly" not in mark.sentence
    # Where two places decide, the one that a map marks is said under it.
    for hottest, named in ((range(4), "One patch"), (range(8, 12), "The right edge"), (range(0), "The right edge")):
        assert say([patch, edge], hottest).sentence.startswith(named)
