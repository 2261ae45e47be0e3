"""Rows of the Eyes and Surgery views, from views that were made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.browser.canvas import Outline
from components.studio.eyes import build_eyes_rows, build_trait_pane, compare_traits, describe_class, doubt_traits
from components.studio.surgery import Edits, How, Operation, build_surgery_rows, describe_change
from explain.engine.explanation import Prediction
from explain.maps.heatmap import Heatmap
from explain.passes.prompts import HeadRanking
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture, alter
from explain.traits.surgery import Reading
from explain.traits.traits import ClassView, EyesView, Trait

LABELS = ("wren", "robin", "a class with a name that is far longer than any line would have room for", "tit")


def make_picture(seed: int) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    return Picture(f"picture {seed}.png", pixels, pixels, f"{seed:064d}")


def make_class(
    target: int, probability: float, ranking: tuple[int, ...], shown: int = 2, kept: float = 0.1
) -> ClassView:
    attention = np.random.default_rng(target).random((len(ranking), 4, 6), dtype=np.float32)
    alone = tuple(probability / (head + 2) for head in range(len(ranking)))
    traits = tuple(
        Trait(head, rank, attention[head], (1.0, 2.0), alone[head])
        for rank, head in enumerate(ranking[:shown], start=1)
    )
    _, *left = np.linspace(probability, kept * probability, len(ranking) + 1).tolist()
    heads = HeadRanking(ranking, alone, tuple(left), tuple(left))
    return ClassView(target, LABELS[target], 1.0, probability, heads, traits, attention)


def make_view(*classes: ClassView) -> EyesView:
    probabilities = np.full(len(LABELS), 0.05)
    for seen in classes:
        probabilities[seen.target] = seen.probability
    order = np.argsort(-probabilities)
    predictions = tuple(Prediction(int(i), LABELS[i], float(probabilities[i])) for i in order)
    return EyesView(Box(10.0, 0.0, 50.0, 40.0), np.log(probabilities), probabilities, predictions, classes)


def test_traits_stand_in_their_order_where_the_model_saw_the_picture() -> None:
    outline = Outline("bill", [[(1, 1), (2, 1), (2, 2)]])
    (row,) = build_eyes_rows(make_picture(1), make_view(make_class(1, 0.8, (2, 0, 1))), LABELS, [outline])
    assert [pane.title for pane in row.panes] == ["Picture", "Trait 1 · head 3", "Trait 2 · head 1"]
    assert [pane.sentence for pane in row.panes[1:]] == ["Blurred alone: 80 % → 20 %", "Blurred alone: 80 % → 40 %"]
    assert all(pane.box == (10.0, 0.0, 50.0, 40.0) for pane in row.panes[1:])
    assert row.panes[0].choices[0].label == "robin"
    assert sum(choice.chosen for choice in row.panes[0].choices) == 1
    assert row.outlines == [outline]
    assert "3, 1, 2" in row.detail


def test_keys_of_rows_and_panes_are_unique_for_two_classes() -> None:
    rows = build_eyes_rows(make_picture(1), make_view(make_class(1, 0.8, (0, 1)), make_class(0, 0.1, (1, 0))), LABELS)
    assert len({row.key for row in rows}) == 3
    assert all(len({pane.key for pane in row.panes}) == len(row.panes) for row in rows)
    only = {pane.key: pane.values for pane in rows[2].panes}
    np.testing.assert_allclose(only["only-0"], -only["only-1"])


def test_a_trait_without_a_counterpart_is_said() -> None:
    one, other = make_class(1, 0.8, (0, 1)), make_class(0, 0.1, (1, 0))
    assert set(compare_traits(one, other).values()) == {"No counterpart in “wren”"}
    assert compare_traits(one, one) == {
        0: "“robin” looks here too (its trait 1)",
        1: "“robin” looks here too (its trait 2)",
    }


def test_maps_that_do_not_decide_are_doubted() -> None:
    assert doubt_traits(make_class(1, 0.99, (0, 1), kept=0.2)) is None
    assert doubt_traits(make_class(1, 0.2, (0, 1), kept=1.0)) is None, "it was not decided for this class"
    assert "explain little" in (doubt_traits(make_class(1, 0.99, (0, 1), kept=0.99)) or "")


def test_the_sentence_on_a_class_counts_its_heads() -> None:
    assert "without this head" in describe_class(make_class(1, 0.8, (0, 1), shown=1))
    assert "without these 2 heads" in describe_class(make_class(1, 0.8, (0, 1)))


def make_reading(picture: Picture, seen: ClassView, maps: tuple[Heatmap, ...] = ()) -> Reading:
    view = make_view(seen)
    return Reading(picture, seen.target, view.predictions, maps, {}, view)


def test_the_same_heads_stand_below_one_another_before_and_after() -> None:
    before = make_picture(1)
    after = alter(before, 255 - before.model_pixels, "Altered: everything.")
    readings = [make_reading(before, make_class(1, 0.8, (2, 0, 1))), make_reading(after, make_class(1, 0.3, (0, 1, 2)))]
    first, second = build_surgery_rows(readings, "a-vit")
    assert [pane.key for pane in first.panes] == [pane.key for pane in second.panes]
    np.testing.assert_array_equal(second.panes[1].values, readings[1].eyes.classes[0].attention[2])
    assert second.digest == after.digest != first.digest
    assert "Altered: everything." in second.detail and second.detail.startswith("a-vit: robin 30.0 %")
    assert first.detail.startswith("a-vit. ")
    assert len(build_surgery_rows(readings[:1], "a-vit")) == 1


def test_what_became_of_the_decision_is_said() -> None:
    picture = make_picture(1)
    before, less, gone = (make_reading(picture, make_class(1, p, (0, 1))) for p in (0.8, 0.79, 0.02))
    assert describe_change(before, less) == "“robin” falls: 80.0 % → 79.0 %. The decision stays “robin”."
    assert "The decision flips from “robin” to" in describe_change(before, gone)
    values = [Reading(picture, 0, (Prediction(0, "age", None, score),), (), {}, None) for score in (41.5, 40.25)]
    assert describe_change(values[0], values[1]) == "“age” falls: 41.5 → 40.25."


def test_a_head_is_a_trait_only_where_the_class_loses_something_without_it() -> None:
    seen = make_class(1, 0.8, (0, 1))
    panes = []
    for blurred in (0.8, 0.795, 0.7):
        trait = replace(seen.traits[0], blurred_probability=blurred)
        panes.append(build_trait_pane(trait, seen, Box(0.0, 0.0, 60.0, 40.0), "picture"))
    assert [pane.title for pane in panes] == ["Head 1", "Head 1", "Trait 1 · head 1"]
    assert [pane.faint for pane in panes] == [True, True, False]
    assert panes[0].sentence == "Blurred alone: 80 % → 80 %: by itself it hardly matters"


def make_operation(name: str, how: How = "blur") -> Operation:
    return Operation(how, ((0, 0), (9, 0), (9, 9)), name)


def test_edits_stack_follow_the_choice_of_how_and_are_undone() -> None:
    edits = Edits("picture")
    edits = edits.follow("drawn", "one", make_operation("one")).follow("drawn", "one", make_operation("one", "noise"))
    assert [(edit.name, edit.how) for edit in edits.done] == [("one", "noise")], "the region told last follows"
    edits = edits.follow("drawn", "two", make_operation("two"))
    assert [edit.name for edit in edits.done] == ["one", "two"]
    edits = edits.follow("part", "crest", make_operation("crest")).follow(
        "drawn", "two", make_operation("two", "noise")
    )
    assert [(edit.name, edit.how) for edit in edits.done] == [("one", "noise"), ("two", "blur"), ("crest", "blur")]
    edits = edits.without_last().without_last()
    for kind, region in (("part", "crest"), ("drawn", "two")):
        edits = edits.follow(kind, region, make_operation(region))
    assert [edit.name for edit in edits.done] == ["one"], "what was undone is not done again"
    edits = edits.follow("drawn", "three", make_operation("three")).follow("drawn", None, None)
    assert [edit.name for edit in edits.done] == ["one"], "a region that is cleared takes its edit with it"
    assert edits.follow("drawn", None, None).done == edits.done
