"""Pictures that belong together, such as those of one patient: how they are told, and parts that never part them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from explain.datasets.dataset import SHARE_ASIDE, DataSet, Example
from explain.datasets.table import read_rows
from explain.errors import DataSetError

GROUP = "GROUP"
"""Stands in a pattern for the part of a name that says what belongs together."""

TABLE = "table"
"""In place of a pattern: a table says it."""

PATTERNS = {
    "GROUP_*": "The text before the first “_”",
    "*_GROUP_*": "The text between the last two “_”",
    "GROUP-*": "The text before the first “-”",
}
"""Some that fit many names, and what they stand for."""

_MOST_STARS = 3  # more of them can take very long to fit
_PICTURE_COLUMNS = ("picture", "image", "image index", "image id", "file", "filename", "file name", "name", "path")
_GROUP_COLUMNS = ("group", "patient", "patient id", "patientid", "patient_id", "subject", "subject id", "case", "study")

FindGroup = Callable[[str], str | None]
"""From a picture's name to the group it belongs to; None where that cannot be told."""


def read_pattern(pattern: str) -> FindGroup:
    """How names are read by a pattern: `GROUP` is as short as can be, `*` as long as can be.

    `*_GROUP_*` finds `00001836` in `pneumonia_00001836_052.png`.

    Raises:
        DataSetError: it has no `GROUP`, several, or too many stars.
    """
    if pattern.count(GROUP) != 1 or pattern.count("*") > _MOST_STARS:
        raise DataSetError(
            f"“{pattern}” is no pattern of names. Write {GROUP} once, for the part that says what belongs together, "
            f"and up to {_MOST_STARS} times * for whatever else there is, e.g. *_{GROUP}_*."
        )
    parts = {"*": ".*", GROUP: "(.+?)"}
    expression = re.compile("".join(parts.get(part, re.escape(part)) for part in re.split(rf"(\*|{GROUP})", pattern)))

    def find(name: str) -> str | None:
        found = expression.fullmatch(name)
        return None if found is None else found[1]

    return find


def read_table(data: bytes, name: str) -> FindGroup:
    """A CSV of picture names and groups. Columns are known by their headings, else they are the first two.

    Args:
        data: the file; fields are parted by commas, semicolons or tabs.
        name: what to call it in an error.

    Raises:
        DataSetError: it is no such table, or says two groups of one picture.
    """
    rows = [row for row in read_rows(data) if len(row) > 1]
    if not rows:
        raise DataSetError(f"“{name}” is no table of two columns: the pictures' names, and what each belongs to.")
    headings = [heading.lower() for heading in rows[0]]
    pictures = next((headings.index(known) for known in _PICTURE_COLUMNS if known in headings), None)
    groups = next((headings.index(known) for known in _GROUP_COLUMNS if known in headings), None)
    if pictures is None or groups is None:
        pictures, groups = 0, 1
        rows = rows[1:] if any(heading in (*_PICTURE_COLUMNS, *_GROUP_COLUMNS) for heading in headings) else rows
    else:
        rows = rows[1:]
    told: dict[str, str] = {}
    for row in rows:
        if len(row) <= max(pictures, groups):
            continue
        picture, group = row[pictures].replace("\\", "/").rsplit("/", 1)[-1], row[groups]
        if told.setdefault(picture, group) != group:
            raise DataSetError(f"“{name}” says of “{picture}” that it belongs to two groups. Leave one out.")
    return lambda picture: told.get(picture) or None


def keep_together(dataset: DataSet, find: FindGroup) -> DataSet:
    """The set with each picture's group, and split so that no group is on both sides.

    Args:
        dataset: as it was read. A set that came divided stays so.
        find: see `read_pattern` and `read_table`.

    Raises:
        DataSetError: a picture's group cannot be told, a group is on both sides of a set that came divided, or a class
            cannot be parted because all its pictures belong together.
    """
    groups = [find(example.name) for example in dataset.examples]
    lost = [example.name for example, group in zip(dataset.examples, groups, strict=True) if group is None]
    if lost:
        more = f" and of {len(lost) - 1:,} more" if len(lost) > 1 else ""
        raise DataSetError(f"What “{lost[0]}”{more} belongs to cannot be told. Change how it is told, or the names.")
    examples = [replace(example, group=group or "") for example, group in zip(dataset.examples, groups, strict=True)]
    if dataset.divided:
        sides: dict[str, set[str]] = defaultdict(set)
        for example in examples:
            sides[example.group].add(example.split)
        torn = sorted(group for group, splits in sides.items() if len(splits) > 1)
        if torn:
            more = f" and of {len(torn) - 1:,} more" if len(torn) > 1 else ""
            raise DataSetError(
                f"Pictures of “{torn[0]}”{more} are both among those to learn from and among those to check with. Move "
                "what belongs together into one of these folders."
            )
        return replace(dataset, examples=tuple(examples))
    aside = set_aside(examples, SHARE_ASIDE)
    for label, name in enumerate(dataset.labels):
        if not any(examples[index].label == label for index in aside):
            raise DataSetError(
                f"The pictures of “{name}” all belong together, or cannot be parted without parting others. Each class "
                "needs at least two groups: one to learn from and one to check with."
            )
    split = [replace(one, split="val" if index in aside else "train") for index, one in enumerate(examples)]
    return replace(dataset, examples=tuple(split))


def group_as_told(dataset: DataSet, together: str) -> DataSet:
    """The set with the groups that `PromptRecipe.together` tells; as it is where it has them already, or none are told.

    Raises:
        DataSetError: see `keep_together`; or a table tells them, which must be read before.
    """
    if not together or count_groups(dataset.examples) is not None:
        return dataset
    if together == TABLE:
        raise DataSetError(
            "What belongs together is told by a table, which is missing. Read it, and keep them together."
        )
    return keep_together(dataset, read_pattern(together))


def count_groups(examples: Sequence[Example]) -> int | None:
    """How many groups there are; None where nothing was said to belong together."""
    return len({example.group for example in examples}) if any(example.group for example in examples) else None


def set_aside(examples: Sequence[Example], share: float) -> frozenset[int]:
    """Which examples are set aside, by index: about a share of each class, whole groups, and never all of a class.

    Groups come in the order of their smallest digest, which is as good as a draw and the same on every computer.
    """
    whole = Counter(example.label for example in examples)
    left = Counter(whole)
    aside: set[int] = set()
    with_label: dict[int, list[tuple[list[int], Counter[int]]]] = defaultdict(list)
    for members in _list_groups(examples):
        taken = Counter(examples[index].label for index in members)
        for label in taken:
            with_label[label].append((members, taken))
    for label in sorted(whole, key=lambda label: (whole[label], label)):
        wanted = min(max(round(share * whole[label]), 1), whole[label] - 1)
        for members, taken in with_label[label]:
            if whole[label] - left[label] >= wanted:
                break
            if aside.isdisjoint(members) and all(left[one] > count for one, count in taken.items()):
                aside.update(members)
                left.subtract(taken)
    return frozenset(aside)


def deal_folds(examples: Sequence[Example], count: int) -> list[int]:
    """The fold of each example, 0…count - 1: each class spread over all folds as evenly as its groups allow.

    The largest groups are dealt first, each to the fold that has least of its classes.
    """
    whole = Counter(example.label for example in examples)
    held = [Counter[int]() for _ in range(count)]
    folds = [0] * len(examples)
    for members in sorted(_list_groups(examples), key=len, reverse=True):
        taken = Counter(examples[index].label for index in members)

        def weigh(fold: int, taken: Counter[int] = taken) -> tuple[float, int, int]:
            crowd = sum(held[fold][label] * number / whole[label] ** 2 for label, number in taken.items())
            return crowd, held[fold].total(), fold

        fold = min(range(count), key=weigh)
        held[fold].update(taken)
        for index in members:
            folds[index] = fold
    return folds


def _list_groups(examples: Sequence[Example]) -> list[list[int]]:
    """Indices of the examples of each group, the one with the smallest digest first; who has none is on its own."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index in sorted(range(len(examples)), key=lambda index: examples[index].digest):
        groups[f"g{examples[index].group}" if examples[index].group else f"d{examples[index].digest}"].append(index)
    return [*groups.values()]
