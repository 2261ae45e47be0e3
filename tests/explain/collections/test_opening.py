"""Folders, zips, tars and Parquet files: each lists its pictures with their classes, and reads their very bytes."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from explain.collections.opening import open_source
from explain.collections.source import Item, Source
from explain.datasets.given import UnreadableFile
from explain.errors import DataSetError


def make_png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


FILES = {"a/cat/1.png": make_png(1), "a/cat/2.png": make_png(2), "b/dog/3.png": make_png(3)}


def list_told(source: Source) -> list[tuple[str, str, str]]:
    return [(item.uri, item.label, item.group) for item in source.items]


def write_folder(folder: Path) -> Path:
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "a" / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def test_a_folder_and_a_zip_of_it_list_and_read_the_same(tmp_path: Path) -> None:
    folder = open_source(write_folder(tmp_path / "folder"))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    zipped = open_source(tmp_path / "all.zip")
    for source in (folder, zipped):
        assert list_told(source) == [
            ("a/cat/1.png", "cat", "a"),
            ("a/cat/2.png", "cat", "a"),
            ("b/dog/3.png", "dog", "b"),
        ]
        assert [source.read(item) for item in source.items] == list(FILES.values())
    assert (folder.kind, zipped.kind) == ("folder", "zip")
    # The id is of the place and the length: the same in both, and another for every other picture.
    assert [item.id for item in folder.items] == [item.id for item in zipped.items]
    assert len({item.id for item in folder.items}) == 3


def test_files_without_extensions_are_pictures_where_nothing_else_is(tmp_path: Path) -> None:
    (tmp_path / "IM0001").write_bytes(FILES["a/cat/1.png"])
    assert [item.uri for item in open_source(tmp_path).items] == ["IM0001"]


def test_a_path_that_leaves_the_folder_is_not_read(tmp_path: Path) -> None:
    inside = write_folder(tmp_path / "folder")
    (tmp_path / "secret.png").write_bytes(b"secret")
    for uri in ("../secret.png", str(tmp_path / "secret.png")):
        with pytest.raises(UnreadableFile, match="outside"):
            open_source(inside).read(Item(uri))
    tar = open_source(write_tar(tmp_path / "x.tar", FILES))
    with pytest.raises(UnreadableFile, match="outside"):
        tar.read(Item("../secret.png!a.png", 0, 6))


def test_a_webdataset_tar_has_its_classes_beside_its_pictures(tmp_path: Path) -> None:
    one, two, three = FILES.values()
    members = {
        "0001.png": one,
        "0001.cls": b"7\n",
        "0002.png": two,
        "0002.json": json.dumps({"label": "dog", "source": "north"}).encode(),
        "train/cat/0003.png": three,
        "readme.txt": b"words",
    }
    path = write_tar(tmp_path / "shard-0.tar", members)
    source = open_source(path)
    assert list_told(source) == [
        ("!0001.png", "7", ""),
        ("!0002.png", "dog", "north"),
        ("!train/cat/0003.png", "cat", "train"),
    ]
    assert [source.read(item) for item in source.items] == [one, two, three]
    folder = open_source(tmp_path)
    assert folder.kind == "tar"
    assert [item.uri for item in folder.items] == [f"shard-0.tar{item.uri}" for item in source.items]
    assert [folder.read(item) for item in folder.items] == [one, two, three]
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(UnreadableFile, match="cut short"):
        source.read(source.items[-1])


def test_links_in_a_tar_are_no_pictures(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        link = tarfile.TarInfo("a.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(DataSetError, match="holds no pictures"):
        list_told(open_source(tmp_path / "x.tar"))


def test_parquet_as_the_hub_writes_it(tmp_path: Path) -> None:
    images = pa.array([{"bytes": data, "path": name} for name, data in FILES.items()])
    table = pa.table({"image": images, "label": [1, 0, None], "split": ["x", "y", "z"]})
    features = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    pq.write_table(table, tmp_path / "train.parquet", row_group_size=2)
    for path in (tmp_path / "train.parquet", tmp_path):
        source = open_source(path)
        assert [(label, group) for _, label, group in list_told(source)] == [("dog", "x"), ("cat", "y"), ("", "z")]
        assert [source.read(item) for item in source.items] == list(FILES.values())
        assert len({item.id for item in source.items}) == 3
    pq.write_table(pa.table({"image": ["text"]}), tmp_path / "train.parquet")
    with pytest.raises(DataSetError, match="no column “image”"):
        list_told(open_source(tmp_path / "train.parquet"))


def test_classes_come_from_a_table_or_from_nowhere(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder")
    table = tmp_path / "classes.csv"
    table.write_text("file,label,group\na/cat/1.png,lynx,north\n3.png,wolf,south\n", encoding="utf-8-sig")
    assert list_told(open_source(folder, str(table))) == [
        ("a/cat/1.png", "lynx", "north"),
        ("a/cat/2.png", "", ""),
        ("b/dog/3.png", "wolf", "south"),
    ]
    written = list_told(open_source(folder, str(table)))
    for mark in ";\t":
        table.write_text(table.read_text(encoding="utf-8-sig").replace(",", mark))
        assert list_told(open_source(folder, str(table))) == written
        table.write_text(table.read_text().replace(mark, ","))
    assert {told[1:] for told in list_told(open_source(folder, "none"))} == {("", "")}
    table.write_text("name,label\n1.png,cat\n")
    with pytest.raises(DataSetError, match="needs the columns “file” and “label” or “group”"):
        open_source(folder, str(table))


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("nothing.zip", None, "There is nothing at"),
        ("a.txt", b"words", "is no folder, zip, tar or Parquet file"),
        ("a.tar.xz", b"\xfd7zXZ\0", "packed as a whole"),
        ("a.zip", b"PK\3\4 broken", "is no zip, or is damaged"),
        ("a.tar", b"x" * 2000, "is no tar, or is damaged"),
        ("a.parquet", b"PAR1 broken", "is no Parquet file, or is damaged"),
    ],
)
def test_what_cannot_be_opened_is_a_sentence(tmp_path: Path, name: str, data: bytes | None, sentence: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataSetError, match=sentence):
        list_told(open_source(tmp_path / name))


def test_empty_folders_and_addresses_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="holds no pictures"):
        list_told(open_source(tmp_path))
    with pytest.raises(DataSetError, match=r"is an address\. Nothing is fetched here"):
        open_source(Path("s3://bucket/pictures"))
