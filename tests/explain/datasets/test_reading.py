"""Sets of pictures: what is understood, and what is left out and said."""

from __future__ import annotations

import hashlib
import threading
import time
import zipfile
from pathlib import Path

import pytest

from explain.datasets import archive, reading
from explain.datasets.dataset import DataSet, describe_skipped
from explain.datasets.reading import read_files, read_folder, read_zip
from explain.errors import Cancelled, DataSetError
from explain.pictures.decode import decode
from tests.support.data_sets import draw, fill, pack


def describe(dataset: DataSet) -> dict[str, tuple[int, int]]:
    """Pictures of each class to train on and to check with."""
    counts = {label: [0, 0] for label in dataset.labels}
    for example in dataset.examples:
        counts[dataset.labels[example.label]][example.split == "val"] += 1
    return {label: (train, val) for label, (train, val) in counts.items()}


# What is understood


@pytest.mark.parametrize("wrapper", ["", "birds/", "a/b/"])
def test_a_folder_for_each_class(wrapper: str, tmp_path: Path) -> None:
    files = fill(f"{wrapper}wren", f"{wrapper}Robin", count=10)
    read = read_zip(pack(files), "birds.zip")
    assert read.labels == ("Robin", "wren")
    assert describe(read) == {"Robin": (8, 2), "wren": (8, 2)}
    assert read.skipped == ()
    assert {example.data for example in read.examples} == {data for _, data in files}
    for example in read.examples:
        assert example.digest == hashlib.sha256(example.data).hexdigest()
        assert decode(example.data, example.name).size == (12, 12)
        assert "/" not in example.name
    for path, data in files:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    for other in (read_folder(tmp_path), read_files(files, "birds")):
        assert other == read
        assert other.fingerprint == read.fingerprint


@pytest.mark.parametrize("name", ["val", "valid", "validation", "test", "Test"])
@pytest.mark.parametrize("wrapper", ["", "set/"])
def test_splits_that_are_given_are_kept(name: str, wrapper: str) -> None:
    files = fill(f"{wrapper}train/a", f"{wrapper}train/b", count=4) + fill(
        f"{wrapper}{name}/a", f"{wrapper}{name}/b", count=3, first=100
    )
    read = read_files(files, "set")
    assert describe(read) == {"a": (4, 3), "b": (4, 3)}
    by_digest = {hashlib.sha256(data).hexdigest(): path for path, data in files}
    for example in read.examples:
        assert (example.split == "train") == ("train/" in by_digest[example.digest])


def test_test_and_val_pictures_are_both_for_checking() -> None:
    files = fill("train/a", "train/b") + fill("val/a", "val/b", first=50) + fill("test/a", "test/b", first=100)
    assert describe(read_files(files, "set")) == {"a": (5, 10), "b": (5, 10)}


def test_a_class_without_validation_pictures_gives_some() -> None:
    read = read_files(fill("train/a", "train/b", count=10) + fill("val/a", count=3, first=100), "set")
    assert describe(read) == {"a": (10, 3), "b": (8, 2)}
    assert describe(read_files(fill("train/a", "train/b"), "set")) == {"a": (4, 1), "b": (4, 1)}


@pytest.mark.parametrize(("count", "checked"), [(2, 1), (3, 1), (7, 1), (8, 2), (13, 3), (100, 20)])
def test_a_fifth_of_each_class_and_at_least_one_is_for_checking(count: int, checked: int) -> None:
    read = read_files(fill("a", "b", count=count), "set")
    assert describe(read) == dict.fromkeys("ab", (count - checked, checked))


def test_the_split_depends_on_the_pictures_alone() -> None:
    files = fill("a", "b", count=20)
    renamed = [(f"{path[0]}/other {hash(path)}.jpeg", data) for path, data in reversed(files)]
    first, second = read_files(files, "one"), read_files(renamed, "two")
    assert first.fingerprint == second.fingerprint
    splits = [{example.digest: example.split for example in read.examples} for read in (first, second)]
    assert splits[0] == splits[1]
    by_digest = {"a": [], "b": []}
    for path, data in files:
        by_digest[path[0]].append(hashlib.sha256(data).hexdigest())
    expected = {digest for label in "ab" for digest in sorted(by_digest[label])[:4]}
    assert {digest for digest, split in splits[0].items() if split == "val"} == expected


def test_folders_below_a_class_belong_to_it_and_other_systems_names_are_read() -> None:
    files = [(path.replace("/", "\\"), data) for path, data in fill("set/a/far/off", "set/b")]
    assert describe(read_files(files, "set")) == {"a": (4, 1), "b": (4, 1)}
    composed, decomposed = "vo\u0308gel", "v\u00f6gel"
    files = fill(f"train/{composed}", "train/b") + fill(f"val/{decomposed}", "val/b", first=50)
    assert read_files(files, "set").labels == ("b", decomposed)


def test_what_operating_systems_leave_behind_is_not_spoken_of(tmp_path: Path) -> None:
    junk = [
        "__MACOSX/set/a/._0.png",
        "set/.DS_Store",
        "set/a/.hidden.png",
        "set/a/Thumbs.db",
        "set/readme.txt",
        "notes",
    ]
    read = read_zip(pack([*fill("set/a", "set/b"), *((path, b"junk") for path in junk)]), "set.zip")
    assert read.labels == ("a", "b") and read.skipped == ()
    for path, data in [*fill("a", "b"), ("a/.x.png", b"x"), (".git/a/0.png", b"x")]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    (tmp_path / "a" / "round").symlink_to(tmp_path / "a")
    (tmp_path / "b" / "link.png").symlink_to(tmp_path / "b" / "0.png")
    read = read_folder(tmp_path)
    assert describe(read) == {"a": (4, 1), "b": (4, 1)}
    assert [skipped.name for skipped in read.skipped] == ["b/link.png"]


# What is left out and said


def test_broken_pictures_and_strangers_are_listed_with_the_reason() -> None:
    files = [
        *fill("set/a", "set/b"),
        ("set/a/cut.png", draw(99)[:80]),
        ("set/a/empty.jpg", b""),
        ("set/b/page.pdf", b"%PDF-1.4 nothing"),
        ("set/b/phone.heic", b"\0\0\0\x18ftypheic"),
        ("set/cover.jpg", draw(98)),
    ]
    read = read_files(files, "set")
    assert describe(read) == {"a": (4, 1), "b": (4, 1)}
    reasons = {skipped.name: skipped.reason for skipped in read.skipped}
    assert set(reasons) == {path.removeprefix("set/") for path, _ in files[10:]}
    assert "damaged" in reasons["a/cut.png"] or "cut off" in reasons["a/cut.png"]
    assert "empty" in reasons["a/empty.jpg"]
    assert "PDF" in reasons["b/page.pdf"]
    assert "HEIC" in reasons["b/phone.heic"]
    assert reasons["cover.jpg"] == "It is in no class's folder."
    assert not any("“”" in reason for reason in reasons.values())


def test_the_same_picture_is_used_once_and_in_two_classes_not_at_all() -> None:
    both = draw(500)
    files = [*fill("a", "b"), ("a/copy.png", draw(0)), ("a/both.png", both), ("b/too.png", both)]
    read = read_files(files, "set")
    assert describe(read) == {"a": (4, 1), "b": (4, 1)}
    reasons = {skipped.name: skipped.reason for skipped in read.skipped}
    assert reasons.keys() == {"a/copy.png", "a/both.png", "b/too.png"}
    assert reasons["a/copy.png"] == "The same picture as a/0.png."
    assert describe_skipped(read.skipped) == (
        "3 files are left out, 1 of them because the same picture is there already"
    )
    assert "is in “a” and “b”" in reasons["a/both.png"] == reasons["b/too.png"]
    assert hashlib.sha256(both).hexdigest() not in {example.digest for example in read.examples}
    twice = read_files([*fill("train/a", "train/b"), ("val/a/x.png", draw(0)), *fill("val/b", first=50)], "set")
    assert describe(twice) == {"a": (4, 1), "b": (5, 5)}, "nothing trained on is checked with"


def test_what_is_beside_the_splits_or_of_an_unknown_class_is_listed() -> None:
    files = [*fill("train/a", "train/b"), *fill("val/c", count=1, first=50), ("docs/figure.png", draw(60))]
    read = read_files(files, "set")
    assert read.labels == ("a", "b")
    reasons = {skipped.name: skipped.reason for skipped in read.skipped}
    assert reasons["val/c/0.png"] == "There is no class “c” in the train folder."
    assert reasons["docs/figure.png"] == "It is beside the train and val folders, not in one of them."


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([], "“set” holds no pictures"),
        ([("readme.txt", b"hello")], "“set” holds no pictures"),
        (fill("a"), "“set” has one class only, “a”"),
        ([("1.png", draw(1)), ("2.png", draw(2))], "“set” has no folder for each class"),
        (fill("train", "val"), "“set” has no folder for each class"),
        ([*fill("a"), ("b/0.png", draw(50))], "“b” (1): each class needs at least 2"),
        ([*fill("a"), ("b/0.png", b"broken")], "“b” (0): each class needs at least 2"),
        ([*fill("a"), ("b/0.png", draw(9)), ("b/1.png", draw(9))], "“b” (1): each class needs"),
        (
            [*fill("a"), ("b/0.png", draw(9)), ("b/1.png", draw(9)), ("b/2.png", b"x")],
            "2 files are left out, 1 of them because the same picture is there already. For instance b/2.png: ",
        ),
        ([*fill("a", "b"), ("c/0.png", draw(50)), ("d/0.png", draw(51))], "“c” (1), “d” (1): each"),
        (
            [("a/0.png", b"x"), ("b/0.png", b"y")],
            "“set” holds no picture that can be used. 2 files are left out. For instance a/0",
        ),
        (fill("a", "b\x07ll"), "cannot be a class"),
        (fill("a", "b" * 201), "cannot be a class"),
        (
            [*fill("train/a"), ("train/b/0.png", draw(0)), *fill("val/b", first=50)],
            "“b” (5, none to train on)",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_a_sentence(files: list[tuple[str, bytes]], sentence: str) -> None:
    with pytest.raises(DataSetError) as caught:
        read_files(files, "set")
    assert sentence in str(caught.value)


def test_more_than_a_thousand_classes_and_too_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    pixel = [(f"{number}/0.bmp", b"") for number in range(1001)]
    with pytest.raises(DataSetError, match="has 1,001 classes: at most 1,000"):
        read_files([*pixel, ("0/1.png", draw(0))], "set")
    monkeypatch.setattr(reading, "MOST_FILES", 9)
    monkeypatch.setattr(archive, "MOST_FILES", 9)
    with pytest.raises(DataSetError, match="more than 9 files"):
        read_files(fill("a", "b"), "set")
    with pytest.raises(DataSetError, match="more than 9 files"):
        read_zip(pack(fill("a", "b")), "set.zip")


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="is no folder"):
        read_folder(tmp_path / "gone")


def test_reading_can_be_watched_and_stopped() -> None:
    cancel, shares = threading.Event(), []

    def watch(share: float, text: str) -> None:
        shares.append(share)
        if share >= 0.5:
            cancel.set()

    with pytest.raises(Cancelled):
        read_files(fill("a", "b"), "set", watch, cancel)
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 0.5


def test_five_hundred_small_pictures_are_read_quickly() -> None:
    data = pack(fill(*(f"class {number}" for number in range(10)), count=50), zipfile.ZIP_STORED)
    started = time.process_time()
    assert len(read_zip(data, "x.zip").examples) == 500
    assert time.process_time() - started < 2


def test_pictures_without_classes_lie_anywhere(tmp_path: Path) -> None:
    files = [
        (f"{folder}{number}.png", draw(10 * place + number))
        for place, folder in enumerate(("", "a/", "a/b/"))
        for number in range(4)
    ]
    files += [("a/copy.png", files[0][1]), ("notes.txt", b"no picture"), ("a/broken.png", b"\x89PNG no")]
    dataset = read_files(files, "mine", by_class=False)
    assert dataset.labels == (reading.TOGETHER,) and len(dataset.examples) == 12 and not dataset.divided
    assert [len(dataset.list_split(split)) for split in ("train", "val")] == [10, 2]
    assert sorted(one.name for one in dataset.skipped) == ["a/broken.png", "a/copy.png"]
    assert read_zip(pack(files), "mine.zip", by_class=False).fingerprint == dataset.fingerprint
    for path, data in files:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    assert read_folder(tmp_path, by_class=False).fingerprint == dataset.fingerprint
    for some, said in ((files[:1], "one picture only"), ([("notes.txt", b"no picture")], "holds no pictures")):
        with pytest.raises(DataSetError, match=said):
            read_files(some, "mine", by_class=False)
