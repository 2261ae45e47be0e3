"""Who learns, who chooses and who judges: never the same picture, nor the same patient."""

from __future__ import annotations

from dataclasses import replace

import pytest

from explain.datasets.dataset import DataSet
from explain.datasets.groups import keep_together
from explain.errors import ExplainError
from explain.training.folds import count_folds, plan_training
from explain.training.recipe import PromptRecipe
from tests.support.training import SMALL, make_set

FIVE = SMALL.model_copy(update={"folds": 5})


def group_in_pairs(dataset: DataSet) -> DataSet:
    """Two pictures of a class that follow one another are of one patient."""
    numbers = {example.name: str(place // 2) for place, example in enumerate(dataset.examples)}
    return keep_together(dataset, numbers.get)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("changes", [{}, {"folds": 3}, {"folds": 0}, {"variant": "deep"}])
def test_no_picture_and_no_group_has_two_roles(grouped: bool, changes: dict[str, object]) -> None:
    dataset = make_set((10, 8, 14))
    dataset = group_in_pairs(dataset) if grouped else dataset
    plan = plan_training(dataset, FIVE.model_copy(update=changes))
    for part in plan.parts:
        roles = [{dataset.examples[i].group or str(i) for i in role} for role in (part.learn, part.choose, part.judge)]
        assert not (roles[0] & roles[1] or roles[0] & roles[2] or roles[1] & roles[2])
        assert {dataset.examples[index].label for index in part.learn} == {0, 1, 2}
        assert part.choose
    judging = sorted(index for part in plan.parts for index in part.judge)
    assert len(judging) == len(set(judging))
    if plan.manner == "folds":
        assert judging == [*range(len(dataset.examples))]
        assert plan.folds == FIVE.model_copy(update=changes).folds
    else:
        assert (plan.folds, judging) == (0, [i for i, one in enumerate(dataset.examples) if one.split == "val"])


def test_a_set_with_pictures_of_its_own_to_check_is_judged_on_those() -> None:
    dataset = replace(make_set(), divided=True)
    (part,) = plan_training(dataset, FIVE).parts
    assert plan_training(dataset, FIVE).manner == "own"
    assert [dataset.examples[index].split for index in part.judge] == ["val"] * 6
    assert {dataset.examples[index].split for index in (*part.learn, *part.choose)} == {"train"}


def test_there_are_no_more_folds_than_groups() -> None:
    assert count_folds(make_set((2, 9, 9), val=1), FIVE) == 3
    assert count_folds(group_in_pairs(make_set((4, 8, 8))), FIVE) == 3
    tiny = make_set((1, 1), val=1)
    plan = plan_training(tiny, PromptRecipe())
    assert plan.folds == 2 and all(not part.choose for part in plan.parts[1:]), "one alone cannot choose"
    with pytest.raises(ExplainError, match="at least two of each"):
        plan_training(DataSet(tiny.labels, tiny.examples[:3]), FIVE)
