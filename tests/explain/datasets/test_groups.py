"""What belongs together is told from names or a table, and is never parted."""

from __future__ import annotations

import hashlib
import random
from collections import Counter

import pytest

from explain.datasets.dataset import SHARE_ASIDE, DataSet, Example, Split
from explain.datasets.groups import (
    count_groups,
    deal_folds,
    group_as_told,
    keep_together,
    read_pattern,
    read_table,
    set_aside,
)
from explain.datasets.reading import read_files
from explain.errors import DataSetError
from tests.support.data_sets import fill


def make_example(name: str, label: int = 0, split: Split = "train", group: str = "") -> Example:
    return Example(name, hashlib.sha256(name.encode()).hexdigest(), label, split, b"", group)


def make_patients(seed: int) -> list[Example]:
    """Pictures of patients, some of whom have several, and some in two classes."""
    draw = random.Random(seed)
    examples = []
    for patient in range(draw.randint(12, 30)):
        for number in range(draw.choice((1, 1, 2, 5))):
            label = draw.randrange(2) if draw.random() < 0.2 else patient % 2
            examples.append(make_example(f"{seed}-{patient}-{number}", label, group=f"p{patient}"))
    return examples


@pytest.mark.parametrize(
    ("pattern", "name", "group"),
    [
        ("*_GROUP_*", "pneumonia_00001836_052.png", "00001836"),
        ("*_GROUP_*", "no_findings_00001305_001.png", "00001305"),
        ("GROUP_*", "anna_1.png", "anna"),
        ("GROUP_*", "anna.png", None),
        ("scan(GROUP)*", "scan(7).png", "7"),
        ("GROUP-*", "MRI.12-3-4.dcm", "MRI.12"),
    ],
)
def test_a_pattern_reads_names(pattern: str, name: str, group: str | None) -> None:
    assert read_pattern(pattern)(name) == group


@pytest.mark.parametrize("pattern", ["", "*", "GROUP_GROUP", "*_*_*_*_GROUP"])
def test_what_is_no_pattern_is_a_sentence(pattern: str) -> None:
    with pytest.raises(DataSetError, match="Write GROUP once"):
        read_pattern(pattern)


@pytest.mark.parametrize(
    "text",
    [
        "Image Index,Finding Labels,Patient ID\r\na.png,Pneumonia,7\r\nb.png,None,8\r\n",
        "a.png;7\nb.png;8\n",
        "﻿picture\tgroup\nsome/folder/a.png\t7\n\nb.png\t8",
        '"a.png","7"\n"b.png"," 8 "',
    ],
)
def test_a_table_is_read_by_its_headings_or_its_order(text: str) -> None:
    find = read_table(text.encode(), "patients.csv")
    assert (find("a.png"), find("b.png"), find("c.png")) == ("7", "8", None)


@pytest.mark.parametrize(
    ("text", "said"), [("", "no table"), ("a.png\nb.png", "no table"), ("a.png,7\na.png,8", "two groups")]
)
def test_what_is_no_table_is_a_sentence(text: str, said: str) -> None:
    with pytest.raises(DataSetError, match=said):
        read_table(text.encode(), "patients.csv")


@pytest.mark.parametrize("seed", range(8))
def test_no_group_is_ever_parted(seed: int) -> None:
    """Counted picture by picture: each patient's are in one fold, and on one side of a split."""
    examples = make_patients(seed)
    folds = deal_folds(examples, 4)
    aside = set_aside(examples, SHARE_ASIDE)
    for patient in {example.group for example in examples}:
        theirs = [index for index, example in enumerate(examples) if example.group == patient]
        assert len({folds[index] for index in theirs}) == 1
        assert len({index in aside for index in theirs}) == 1
    assert set(folds) == set(range(4))
    kept = Counter(example.label for index, example in enumerate(examples) if index not in aside)
    assert all(kept[label] for label in (0, 1)) and len(aside) < len(examples) / 2


def test_without_groups_a_share_is_set_aside_as_reading_does_it() -> None:
    read = read_files(fill("a", count=13) + fill("b", count=6, first=50) + fill("c", count=2, first=80), "set")
    aside = set_aside(read.examples, SHARE_ASIDE)
    assert [index in aside for index in range(len(read.examples))] == [one.split == "val" for one in read.examples]


def test_classes_are_spread_evenly_over_folds() -> None:
    examples = [make_example(f"{label}-{number}", label) for label in (0, 1) for number in (*range(9 - label),)]
    for label in (0, 1):
        counts = Counter(
            fold for fold, example in zip(deal_folds(examples, 4), examples, strict=True) if example.label == label
        )
        assert sorted(counts.values()) in ([2, 2, 2, 3], [2, 2, 2, 2])


def test_a_set_is_split_anew_by_groups_and_its_numbers_say_no_names() -> None:
    names = [("a/anna_1.png", 1), ("a/anna_2.png", 2), ("a/bert_1.png", 3), ("b/carl_1.png", 4), ("b/dora_1.png", 5)]
    pictures = dict(fill("x", count=6))
    read = read_files([(path, pictures[f"x/{number}.png"]) for path, number in names], "set")
    grouped = keep_together(read, read_pattern("GROUP_*"))
    assert count_groups(read.examples) is None and count_groups(grouped.examples) == 4
    splits = {example.name: example.split for example in grouped.examples}
    assert splits["anna_1.png"] == splits["anna_2.png"] != splits["bert_1.png"]
    assert grouped.fingerprint != read.fingerprint
    assert group_as_told(read, "GROUP_*") == grouped and group_as_told(grouped, "table") is grouped
    with pytest.raises(DataSetError, match="table"):
        group_as_told(read, "table")


def test_what_cannot_be_kept_together_is_a_sentence() -> None:
    alone = DataSet(("a", "b"), tuple(make_example(f"{'ann' if n < 3 else n}_{n}.png", n // 3) for n in range(6)))
    with pytest.raises(DataSetError, match="pictures of “a” all belong together"):
        keep_together(alone, read_pattern("GROUP_*"))
    with pytest.raises(DataSetError, match=r"What “ann_0\.png” and of 5 more belongs to cannot be told"):
        keep_together(alone, read_pattern("GROUP-*"))
    examples = (make_example("ann_1", 0), make_example("ann_2", 0, "val"), make_example("bo_1", 1))
    divided = DataSet(("a", "b"), examples, divided=True)
    with pytest.raises(DataSetError, match="Pictures of “ann” are both among"):
        keep_together(divided, read_pattern("GROUP_*"))
