"""Collections elsewhere list and read as those on the disk do; nothing is asked of a network that nobody named."""

import functools
import http.server
import importlib.util
import io
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explain.collections import worker
from explain.collections.opening import open_source
from explain.collections.question import Order
from explain.collections.remote import RemotePath, read_address
from explain.collections.run_folder import RESULTS, RunFolder
from explain.collections.source import Item, Source
from explain.datasets.given import UnreadableFile
from explain.errors import DataSetError
from explain.models.request import ModelRequest
from tests.support import collection_worker
from tests.support.data_sets import pack

FILES = {"a/cat/1.png": b"one", "a/cat/2.png": b"second", "b/dog/3.png": b"third"}
TOLD = [("a/cat/1.png", "cat", "a"), ("a/cat/2.png", "cat", "a"), ("b/dog/3.png", "dog", "b")]


@pytest.fixture
def put() -> Iterator[Callable[[str, bytes], None]]:
    """Puts a file into fsspec's memory."""
    import fsspec

    memory = fsspec.filesystem("memory")
    yield lambda path, data: memory.pipe(f"/{path}", data)
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def open_there(address: str) -> Source:
    """By a `Path`, as the command line does."""
    return open_source(Path(address), remote=True)


def check(source: Source) -> None:
    assert [(item.uri, item.label, item.group) for item in source.items] == TOLD
    assert [source.read(item) for item in source.items] == list(FILES.values())


def test_a_folder_elsewhere_is_the_folder(put: Callable[[str, bytes], None], tmp_path: Path) -> None:
    for name, data in {**FILES, "notes.txt": b"words", ".hidden.png": b""}.items():
        put(f"photos/{name}", data)
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    here = open_source(tmp_path)
    for address in ("memory://photos", "memory://photos/", f"file://{tmp_path}"):
        source = open_there(address)
        check(source)
        # A run that was begun on the disk goes on elsewhere.
        assert [item.id for item in source.items] == [item.id for item in here.items]
        assert str(source.path) == address.rstrip("/")
    for uri in ("../secret.png", "/etc/passwd"):
        with pytest.raises(UnreadableFile, match="outside"):
            source.read(Item(uri))
    with pytest.raises(UnreadableFile, match="cannot be fetched"):
        source.read(Item("a/cat/9.png"))
    with pytest.raises(UnreadableFile, match="larger than"):
        source.read(Item("a/cat/1.png", 0, 10**12))


def test_archives_and_tables_elsewhere_are_read_in_place(put: Callable[[str, bytes], None], tmp_path: Path) -> None:
    put("sets/all.zip", pack(FILES.items()))
    (tmp_path / "all.zip").write_bytes(pack(FILES.items()))
    for address in ("memory://sets/all.zip", f"file://{tmp_path}/all.zip"):
        check(open_there(address))
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    put("tars/one.tar", file.getvalue())
    for address, start in (("memory://tars/one.tar", "!"), ("memory://tars", "one.tar!")):
        source = open_there(address)
        assert [(item.uri, item.label, item.group) for item in source.items] == [(start + t[0], *t[1:]) for t in TOLD]
        assert [source.read(item) for item in source.items] == list(FILES.values())
    table = io.BytesIO()
    pq.write_table(pa.table({"image": list(FILES.values()), "label": ["x", "y", "z"]}), table, row_group_size=2)
    put("tables/train.parquet", table.getvalue())
    for address in ("memory://tables/train.parquet", "memory://tables"):
        source = open_there(address)
        assert [item.label for item in source.items] == ["x", "y", "z"]
        assert [source.read(item) for item in source.items] == list(FILES.values())


def test_what_cannot_be_had_is_a_sentence(put: Callable[[str, bytes], None], monkeypatch: pytest.MonkeyPatch) -> None:
    for address, sentence in {
        "memory://nothing": "memory://nothing cannot be reached",
        "memory://nothing.zip": "cannot be read",
        "memory://nothing.parquet": "is no Parquet file, or is damaged",
        "memory://a.tar.gz": "packed as a whole",
    }.items():
        with pytest.raises(DataSetError, match=sentence):
            open_there(address).items  # noqa: B018

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no route to host")  # what libraries raise has no kind in common

    put("photos/1.png", b"one")
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.find", fail)
    with pytest.raises(DataSetError, match=r"memory://photos cannot be reached: RuntimeError: no route to host\. Is"):
        open_there("memory://photos")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(DataSetError, match=r"s3://bucket/photos needs a package .*s3fs.*requirements-cluster\.txt"):
        open_there("s3://bucket/photos")


def test_only_what_is_named_is_asked_for() -> None:
    assert read_address(Path("s3://bucket/a b")) == "s3://bucket/a b"
    assert read_address(Path("HF://datasets/x")) == "hf://datasets/x"
    assert read_address(Path("file:///data/x")) == "file:///data/x"
    # These would unpack to the disk, or are no addresses.
    for path in ("simplecache::s3://bucket/x", "reference://x", "C:/photos", "photos/s3", "~/photos", "a: b/c"):
        assert read_address(Path(path)) is None
    for address in ("memory://photos", "https://host/photos"):
        with pytest.raises(DataSetError, match="Nothing is fetched here"):
            open_source(Path(address))


def test_no_password_is_written_down() -> None:
    class System:
        pass

    assert str(RemotePath(System(), "x", "https://host/photos/")) == "https://host/photos"
    place = RemotePath.at("memory://me:secret@host/photos.zip?signature=secret")
    assert str(place) == "memory://host/photos.zip" and place.name == "photos.zip" and not place.is_dir()


def test_a_run_reads_from_there(
    put: Callable[[str, bytes], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKERS", str(tmp_path))
    monkeypatch.setattr("explain.collections.worker.prepare", collection_worker.prepare)
    monkeypatch.setattr("explain.collections.worker.explain_shard", collection_worker.explain_shard)
    for name, data in FILES.items():
        put(f"photos/{name}", data)
    order = Order(
        source=Path("memory://photos"),
        out=tmp_path / "run",
        model=ModelRequest(source="bundled", name="photo-cnn"),
        methods=("grad-cam",),
    )
    told: list[str] = []
    worker.work_on(order, lambda event, **_: told.append(event), threading.Event())
    assert told[-1] == "done" and len(RunFolder(order.out).list_files(RESULTS)) == 1
    assert RunFolder(order.out).read_manifest().path == "memory://photos"


@pytest.mark.skipif(importlib.util.find_spec("aiohttp") is None, reason="No aiohttp: requirements-cluster.txt.")
def test_a_web_server_is_read(tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(data)
    (tmp_path / "all.zip").write_bytes(pack(FILES.items()))
    (tmp_path / "secret.png").write_bytes(b"secret")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        check(open_there(f"{address}/photos"))
        check(open_there(f"{address}/all.zip"))
        server.shutdown()
    with pytest.raises(DataSetError, match="cannot be reached"):
        open_there(f"{address}/others")
