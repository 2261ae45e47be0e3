"""Files are written whole or not at all."""

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from explain import storage
from explain.errors import ExplainError, ModelError, StorageError
from explain.storage import (
    PROGRAM,
    data_folder,
    find_data_folder,
    own_environment,
    read_file,
    remove_leftovers,
    write_atomically,
)


def test_the_folder_is_the_one_named_and_made_on_first_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path / "new" / "home"))
    assert find_data_folder() == tmp_path / "new" / "home"
    assert not find_data_folder().exists()
    assert data_folder() == data_folder() == find_data_folder()
    assert find_data_folder().is_dir()
    if os.name == "posix":
        assert stat.S_IMODE(find_data_folder().stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {"XDG_DATA_HOME": "/data"}, Path("/data/camscope")),
        ("linux", {}, Path("/me/.local/share/camscope")),
        ("darwin", {}, Path("/me/Library/Application Support/camscope")),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/camscope")),
    ],
)
def test_each_platform_has_its_place(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], folder: Path
) -> None:
    for name in ("CAMSCOPE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/me")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert find_data_folder() == folder


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(StorageError, match=r"cannot be written \(Not a directory\).*CAMSCOPE_HOME") as caught:
        data_folder()
    assert str(tmp_path) not in str(caught.value)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two", sync=False)
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"before")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage.os, step, fail)
    with pytest.raises(StorageError, match="The disk is full, so nothing was saved"):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    for name in (".old.part", ".new.part", "old.part", ".old"):
        (tmp_path / name).write_bytes(b"")
        if "old" in name:
            os.utime(tmp_path / name, (0, 0))
    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new.part", ".old", "old.part"]


@pytest.mark.skipif(os.name != "posix", reason="limits of a process are a matter of POSIX")
def test_a_write_that_is_cut_short_leaves_nothing(tmp_path: Path) -> None:
    """The kernel itself refuses here, in the middle of the file."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"cannot be written \(File too large\)"):
            write_atomically(tmp_path / "file", bytes(1_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_is_an_error_of_the_kind_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"whole")
    assert read_file(tmp_path / "a.json") == b"whole"
    with pytest.raises(ModelError, match=r"gone\.pt cannot be read: No such file"):
        read_file(tmp_path / "gone.pt", ModelError)
    with pytest.raises(ExplainError, match="cannot be read: Is a directory"):
        read_file(tmp_path)
    with pytest.raises(ExplainError, match="cannot be read: embedded null"):
        read_file(tmp_path / "a\0b")


@pytest.mark.parametrize("path", ["", "/one", os.pathsep.join(("/one", "/two"))])
def test_a_process_of_its_own_finds_what_its_caller_finds(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("OTHER", "as it was")
    own = own_environment()
    assert own["PYTHONPATH"].split(os.pathsep) == [str(PROGRAM), *filter(None, path.split(os.pathsep))]
    assert own["OTHER"] == "as it was" and (PROGRAM / "explain" / "storage.py").is_file()
