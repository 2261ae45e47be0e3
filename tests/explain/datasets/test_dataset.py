"""Sets of pictures kept on the disk come back whole, or are a sentence; and what a set's fingerprint is of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from explain import storage
from explain.datasets import dataset as module
from explain.datasets.dataset import DataSet
from explain.datasets.groups import keep_together, read_pattern
from explain.datasets.reading import read_files, read_folder
from explain.errors import DataSetError, StorageError
from tests.support.data_sets import draw, fill


def test_the_fingerprint_is_labels_pictures_and_splits() -> None:
    files = fill("a", "b")
    base = read_files(files, "set")
    others = [
        read_files(files[:-1], "set"),
        read_files([(path.replace("b/", "c/"), data) for path, data in files], "set"),
        read_files([(path.replace("b/", "x/").replace("a/", "b/").replace("x/", "a/"), d) for path, d in files], "set"),
        read_files([(f"train/{path}", data) for path, data in files] + fill("val/a", first=70), "set"),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_a_set_comes_back_whole_and_no_name_becomes_a_path(tmp_path: Path) -> None:
    files = [*fill("Robin redbreast", "wren"), ("wren/patient Miller.png", draw(70)), ("wren/broken.png", b"x")]
    read = read_files(files, "set")
    read.save(tmp_path)
    again = DataSet.load(tmp_path)
    assert again.labels == read.labels and again.fingerprint == read.fingerprint
    assert [replace(one, name="") for one in again.examples] == [replace(one, name="") for one in read.examples]
    assert [example.data for example in again.examples] == [example.data for example in read.examples]
    names = {path.name for path in tmp_path.rglob("*")}
    assert names == {"dataset.json", "pictures", *(example.digest for example in read.examples)}
    described = (tmp_path / "dataset.json").read_text()
    assert "Miller" not in described and ".png" not in described, "a name of a file may be a patient's"
    again.save(tmp_path)
    assert DataSet.load(tmp_path) == again


def test_groups_come_back_as_numbers(tmp_path: Path) -> None:
    files = [
        (f"{label}/{patient}_{n}.png", draw(n)) for n, (label, patient) in enumerate(("av", "aw", "bx", "by", "by"))
    ]
    read = keep_together(read_files(files, "set"), read_pattern("GROUP_*"))
    read.save(tmp_path)
    again = DataSet.load(tmp_path)
    assert {one.group for one in again.examples} == {"1", "2", "3", "4"}
    assert again.fingerprint == read.fingerprint
    pairs = {(one.group, other.group) for one, other in zip(read.examples, again.examples, strict=True)}
    assert len(pairs) == 4


def test_a_set_that_an_older_version_kept_is_read(tmp_path: Path) -> None:
    read = read_files(fill("a", "b"), "set")
    read.save(tmp_path)
    path = tmp_path / "dataset.json"
    described = json.loads(path.read_text())
    described["skipped"] = [["a/broken.png", "It is no picture."]]
    for number, entry in enumerate(described["examples"]):
        entry["name"] = f"patient Miller {number}.png"
    del described["divided"]
    path.write_text(json.dumps(described))
    again = DataSet.load(tmp_path)
    assert again.fingerprint == read.fingerprint
    assert "Miller" not in repr(again)


def test_a_full_disk_leaves_no_half_of_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = read_files(fill("a", "b"), "set")
    write, written = storage.write_atomically, []

    def fill_up(path: Path, data: bytes, sync: bool = True) -> None:
        if len(written) == 7:
            raise StorageError("The disk is full, so nothing was saved. Make room and try again.")
        written.append(path)
        write(path, data, sync)

    monkeypatch.setattr(module, "write_atomically", fill_up)
    with pytest.raises(StorageError, match="disk is full"):
        read.save(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with pytest.raises(DataSetError, match="damaged or incomplete"):
        DataSet.load(tmp_path)


def test_a_damaged_set_is_a_sentence(tmp_path: Path) -> None:
    read = read_files(fill("a", "b"), "set")
    read.save(tmp_path)
    first = read.examples[0]
    (tmp_path / "pictures" / first.digest).write_bytes(draw(999))
    with pytest.raises(DataSetError, match="has changed since"):
        _ = DataSet.load(tmp_path).examples[0].data
    (tmp_path / "pictures" / first.digest).unlink()
    with pytest.raises(DataSetError, match="damaged or incomplete"):
        DataSet.load(tmp_path)
    read.save(tmp_path)
    described = (tmp_path / "dataset.json").read_text()
    for wrong in (
        described[:-9],
        described.replace(first.digest, "../../secret"),
        described.replace('"label":1', '"label":7'),
    ):
        (tmp_path / "dataset.json").write_text(wrong)
        with pytest.raises(DataSetError, match="damaged or incomplete"):
            DataSet.load(tmp_path)


def test_a_file_that_changes_after_it_was_read_is_noticed(tmp_path: Path) -> None:
    for path, data in fill("a", "b"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    read = read_folder(tmp_path)
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(draw(999))
    with pytest.raises(DataSetError, match=r"“.*\.png” has changed since"):
        _ = read.examples[0].data
    for path in tmp_path.rglob("*.png"):
        path.unlink()
    with pytest.raises(DataSetError, match=r"“.*\.png” cannot be read any more"):
        _ = read.examples[0].data
