"""Which pictures a training learns from, which choose its epoch, and which judge it. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explain.datasets.dataset import SHARE_ASIDE
from explain.datasets.groups import deal_folds, set_aside
from explain.errors import ExplainError
from explain.models.judged import Manner

if TYPE_CHECKING:
    from explain.datasets.dataset import DataSet
    from explain.training.recipe import PromptRecipe


@dataclass(frozen=True)
class Part:
    """One course of a training; no picture has two roles in it, and no group of pictures that belong together.

    Attributes:
        learn: indices of the examples that prompts are trained on.
        choose: of those that choose the epoch; where there are none, it is the last.
        judge: of those that are named at the end, and not looked at before.
    """

    learn: tuple[int, ...]
    choose: tuple[int, ...]
    judge: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """A whole training.

    Attributes:
        parts: its courses. The prompts of the first are kept; the others only judge.
        manner: how the pictures that judge are kept apart.
    """

    parts: tuple[Part, ...]
    manner: Manner

    @property
    def folds(self) -> int:
        """How many courses only judge."""
        return len(self.parts) - 1


def plan_training(dataset: DataSet, recipe: PromptRecipe) -> Plan:
    """In folds, prompts that learn from all but those that choose are kept, and each fold is judged by others that
    never saw it. Else the validation pictures judge, and the epoch is chosen on a share of those to learn from.

    Raises:
        ExplainError: a class has no picture to learn from, or none to check with.
    """
    examples = dataset.examples
    train = [index for index, example in enumerate(examples) if example.split == "train"]
    val = [index for index, example in enumerate(examples) if example.split == "val"]
    classes = set(range(len(dataset.labels)))
    if any({examples[index].label for index in split} != classes for split in (train, val)):
        raise ExplainError("A class has no picture to train on, or none to check with. Give at least two of each.")
    count = count_folds(dataset, recipe)
    if count:
        dealt = deal_folds(examples, count)
        parts = [Part(tuple(train), tuple(val), ())]
        for fold in range(count):
            judge = tuple(index for index, of in enumerate(dealt) if of == fold)
            parts.append(Part(*_part(dataset, [index for index, of in enumerate(dealt) if of != fold]), judge))
        if all({examples[index].label for index in part.learn} == classes for part in parts):
            return Plan(tuple(parts), "folds")
    return Plan((Part(*_part(dataset, train), tuple(val)),), "own" if dataset.divided else "aside")


def count_folds(dataset: DataSet, recipe: PromptRecipe) -> int:
    """In how many folds a set is judged: no more than the least class has groups; 0 for not in folds."""
    if dataset.divided or recipe.variant != "last":
        return 0
    groups: dict[int, set[str]] = {}
    for example in dataset.examples:
        groups.setdefault(example.label, set()).add(example.group or example.digest)
    count = min(recipe.folds, *(len(of_class) for of_class in groups.values()))
    return count if count > 1 else 0


def _part(dataset: DataSet, indices: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of some examples those to learn from and those that choose; of the latter none where a class can spare none."""
    chosen = [dataset.examples[index] for index in indices]
    aside = set_aside(chosen, SHARE_ASIDE)
    if {chosen[place].label for place in aside} != {example.label for example in chosen}:
        return tuple(indices), ()
    learn = tuple(index for place, index in enumerate(indices) if place not in aside)
    return learn, tuple(indices[place] for place in sorted(aside))
