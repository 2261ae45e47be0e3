"""What of a session's pictures is put on the disk for a run: bounded, whole or not at all, and under which names."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from explain import storage
from explain.collections import sending
from explain.collections.opening import open_source
from explain.collections.sending import Sending, list_sending, pack
from explain.errors import Cancelled, DataSetError, StorageError
from explain.pictures.naming import Names
from explain.progress import Watch
from tests.support import data_sets
from tests.support.collection_runs import make_png
from tests.support.dicom_files import make_slice, write

SCAN = write(make_slice(np.zeros((8, 8), np.int16)))


def pack_given(tmp_path: Path, given: list[tuple[str, bytes]], names: Names = "auto") -> dict[str, bytes]:
    """What is in the zip, by name, as a run finds it there."""
    pack(list_sending(given), names, tmp_path / "pictures.zip", Watch())
    source = open_source(tmp_path / "pictures.zip")
    return {item.uri: source.read(item) for item in source.items}


def test_photographs_keep_their_names_and_folders_and_scans_lose_both(tmp_path: Path) -> None:
    files = {"birds/a.png": make_png(0), "Doe^Jane/IM1.dcm": SCAN, "__MACOSX/x.png": b"", "readme.txt": b"x"}
    zipped = data_sets.pack(files.items())
    found = pack_given(tmp_path, [("some.zip", zipped), ("birds/a.png", make_png(1))])
    digest = next(name for name in found if name.startswith("Picture 2 · "))
    assert found == {"birds/a.png": make_png(0), "birds/a (2).png": make_png(1), digest: SCAN}
    assert b"Doe" not in (tmp_path / "pictures.zip").read_bytes().replace(SCAN, b"")
    hidden = pack_given(tmp_path, [("some.zip", zipped)], "hidden")
    assert all(name.startswith("Picture ") and "/" not in name for name in hidden) and len(hidden) == 2
    shown = pack_given(tmp_path, [("some.zip", zipped)], "shown")
    assert set(shown) == {"birds/a.png", "Doe^Jane/IM1.dcm"}


def test_no_name_leads_out_of_the_zip_or_is_passed_over_in_it(tmp_path: Path) -> None:
    given = [("C:\\x\\a.png", make_png(0)), ("x" * 500 + ".png", make_png(1)), ("…\n", make_png(2))]
    found = pack_given(tmp_path, given, "shown")
    assert set(found.values()) == {make_png(0), make_png(1)}  # the third is not named like a picture, as others are
    files = list_sending([("a.png", make_png(0)), ("b.png", make_png(1))]).files
    odd = Sending(tuple(type(file)((name,), file.read) for file, name in zip(files, (".png", "D:"), strict=True)))
    pack(odd, "shown", tmp_path / "odd.zip", Watch())
    assert len(open_source(tmp_path / "odd.zip").items) == 2


def test_a_hostile_zip_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for files, sentence in (
        ({"../a.png": make_png(0), "b.png": make_png(1)}, "points outside the folder"),
        ({"a.png": make_png(0)}, "There is one file only"),
        ({"__MACOSX/a.png": b""}, "There is no file"),
    ):
        with pytest.raises(DataSetError, match=sentence):
            list_sending([("x.zip", data_sets.pack(files.items()))])
    with pytest.raises(DataSetError, match="no zip, or is damaged"):
        list_sending([("x.zip", b"PK\3\4" + bytes(100))])
    bomb = data_sets.pack([("a.png", make_png(0)), ("b.png", bytes(20 * 2**20))])
    with pytest.raises(DataSetError, match="as a zip bomb does"):
        pack_given(tmp_path, [("x.zip", bomb)])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("readable", "sentence"), [(0, "Of these 4 files none can be read"), (1, "4 files one alone")])
def test_a_zip_of_junk_is_refused_with_a_reason(tmp_path: Path, readable: int, sentence: str) -> None:
    files = {f"{number}.jpg": make_png(number) if number < readable else b"junk" for number in range(4)}
    with pytest.raises(DataSetError, match=f"{sentence}.* as a picture. .+"):
        pack_given(tmp_path, [("x.zip", data_sets.pack(files.items()))])
    assert not list(tmp_path.iterdir())


def test_a_broken_picture_among_whole_ones_is_sent_to_be_listed(tmp_path: Path) -> None:
    found = pack_given(tmp_path, [("a.png", b"junk"), ("b.png", make_png(1)), ("c.png", make_png(2))])
    assert found["a.png"] == b"junk" and len(found) == 3


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [(f"{number}.png", make_png(number)) for number in range(3)]
    monkeypatch.setattr(sending, "MOST_BYTES", len(make_png(0)) + 1)
    with pytest.raises(DataSetError, match=r"take more than 0 GB together\. For more, give the folder to “python"):
        pack_given(tmp_path, given)
    monkeypatch.setattr(sending, "MOST_PICTURES", 2)
    with pytest.raises(DataSetError, match="These are 3 files; at most 2 can be sent"):
        list_sending(given)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_and_a_stop_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = list_sending([("a.png", make_png(0)), ("b.png", make_png(1))])
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        pack(given, "auto", tmp_path / "pictures.zip", Watch(cancel=stop))

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", fail)
    with pytest.raises(StorageError, match="The disk is full"):
        pack(given, "auto", tmp_path / "pictures.zip", Watch())
    assert not list(tmp_path.iterdir())
