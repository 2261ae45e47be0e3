"""What a hostile zip gets: refused, stopped early, or a sentence."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from explain.datasets import archive, given
from explain.datasets.reading import read_files, read_zip
from explain.errors import DataSetError, ExplainError
from tests.support.data_sets import draw, fill, pack


@pytest.mark.parametrize(
    "path", ["../a/evil.png", "a/../../evil.png", "/etc/evil.png", "C:\\evil.png", "..\\evil.png", "\\\\host\\evil.png"]
)
def test_a_path_that_climbs_out_is_refused(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataSetError, match=r"“x\.zip” was not opened: .*evil\.png” in it points outside"):
        read_zip(pack([*fill("a", "b"), (path, draw(50))]), "x.zip")
    assert list(tmp_path.iterdir()) == []


def test_links_are_refused() -> None:
    link = zipfile.ZipInfo("a/link.png")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO(pack(fill("a", "b")))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataSetError, match=r"“a/link\.png” in it is a link"):
        read_zip(buffer, "x.zip")


def test_a_bomb_is_stopped_early(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = pack([*fill("a", "b"), ("a/bomb.bmp", bytes(60_000_000))])
    assert len(bomb) < 100_000
    unpacked, spend = [], archive.Budget.spend

    def count(budget: archive.Budget, size: int) -> None:
        unpacked.append(size)
        spend(budget, size)

    monkeypatch.setattr(archive.Budget, "spend", count)
    with pytest.raises(DataSetError, match=r"“a/bomb\.bmp” in it unpacks to more than 100 times its size"):
        read_zip(bomb, "x.zip")
    assert 0 < sum(unpacked) < 20_000_000


def test_a_bomb_that_lies_about_its_size_is_stopped_too() -> None:
    """Both headers claim that it unpacks to 10 bytes."""
    size = 30_000_000
    data = pack([*fill("a", "b"), ("a/bomb.bmp", bytes(size))])
    assert data.count(struct.pack("<I", size)) == 2
    read = read_zip(data.replace(struct.pack("<I", size), struct.pack("<I", 10)), "x.zip")
    assert [(skipped.name, skipped.reason) for skipped in read.skipped] == [("a/bomb.bmp", "It is damaged in the zip.")]


def test_the_sum_of_what_is_unpacked_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    files = fill("a", "b")
    size = sum(len(data) for _, data in files)
    monkeypatch.setattr(archive, "MOST_UNPACKED", size)
    read = read_zip(pack(files), "x.zip")
    assert len({example.data for example in read.examples}) == 10, "reading again is not counted again"
    monkeypatch.setattr(archive, "MOST_UNPACKED", size - 1)
    with pytest.raises(DataSetError, match="unpacks to more than"):
        read_zip(pack(files), "x.zip")


def test_a_file_that_is_too_large_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "MAX_BYTES", 5_000)
    monkeypatch.setattr(archive, "MAX_BYTES", 5_000)
    noise = np.random.default_rng(0).bytes(6_000)
    files = [*fill("a", "b"), ("a/film.png", noise)]
    for read in (read_zip(pack(files), "x.zip"), read_files(files, "x")):
        assert [skipped.name for skipped in read.skipped] == ["a/film.png"]
        assert "larger than" in read.skipped[0].reason


def test_entries_that_share_their_bytes_are_refused() -> None:
    """A bomb without nesting: many entries of the list point to the same packed bytes."""
    data = pack([("a/0.png", np.random.default_rng(0).bytes(100_000))])
    end = data.rfind(b"PK\5\6")
    size, start = struct.unpack_from("<II", data, end + 12)
    entry = data[start : start + size]
    entries = b"".join(entry.replace(b"a/0.png", b"a/%d.png" % number) for number in range(10))
    record = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 10, 10, len(entries), start, 0)
    with pytest.raises(DataSetError, match="is no zip, or is damaged"):
        read_zip(data[:start] + entries + record, "x.zip")


def test_an_endless_list_of_contents_is_not_read() -> None:
    data = bytearray(pack(fill("a", "b")))
    end = data.rfind(b"PK\5\6")
    struct.pack_into("<I", data, end + 12, 500_000_000)
    with pytest.raises(DataSetError, match="is packed for more than 100,000 files"):
        read_zip(bytes(data), "x.zip")
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, 0, 1)
    zip64 = bytes(data[:end]) + locator + bytes(data[end:])
    with pytest.raises(DataSetError, match="is packed for more than"):
        read_zip(zip64, "x.zip")


def test_an_encrypted_zip_is_refused() -> None:
    data = bytearray(pack(fill("a", "b")))
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 4)
    with pytest.raises(DataSetError, match=r"“x\.zip” is encrypted"):
        read_zip(bytes(data), "x.zip")


def test_a_rare_way_of_packing_is_refused() -> None:
    with pytest.raises(DataSetError, match="packed in a rare way"):
        read_zip(pack(fill("a", "b"), zipfile.ZIP_BZIP2), "x.zip")


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"no zip at all" * 100, pack(fill("a", "b"))[:-30], b"PK\5\6" + bytes(18)]
)
def test_what_is_no_zip_is_a_sentence(data: bytes) -> None:
    with pytest.raises(DataSetError, match=r"“x\.zip”"):
        read_zip(data, "x.zip")


def test_any_damage_to_a_zip_is_a_sentence_or_listed() -> None:
    data = pack(fill("a", "b"))
    random = np.random.default_rng(0)
    outcomes = set()
    for _ in range(300):
        broken = bytearray(data)
        for at in random.integers(0, len(data), 3):
            broken[at] = random.integers(256)
        try:
            read = read_zip(bytes(broken), "x.zip")
            outcomes.add("listed" if read.skipped else "whole")
        except ExplainError as error:
            outcomes.add(type(error).__name__)
    assert outcomes >= {"listed", "DataSetError"}
