"""Which source a path names, and where the classes of its pictures come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from explain.collections.file_source import FolderSource, RemoteFolderSource, ZipSource
from explain.collections.parquet_source import ParquetSource
from explain.collections.remote import Place, RemotePath, read_address
from explain.collections.source import Item, Source, choose_pictures, find_path
from explain.collections.tar_source import TarSource
from explain.datasets.given import is_junk, walk_folder
from explain.datasets.table import read_rows
from explain.errors import DataSetError
from explain.storage import read_file

FOLDERS, NONE = "folders", "none"
"""Where labels come from, beside a CSV: the folders of each picture, or nowhere."""


def open_source(path: Path, classes: str = FOLDERS, remote: bool = False) -> Source:
    """The source that a path names, by what lies there.

    Args:
        path: a folder, a zip, a tar or a Parquet file; a folder of tars or of Parquet files.
        classes: where they and groups come from: `folders` (or the tar's or the table's own), `none`, or the path of
            a CSV with the columns `file`, `label` and `group`.
        remote: whether the path may be an address, such as `s3://bucket/photos`: a person has named it just now.

    Raises:
        DataSetError: there is nothing like that, or the CSV cannot be read.
    """
    address = read_address(path) if remote else None
    source = _find_remote(RemotePath.at(address)) if address else _find_source(find_path(path))
    if classes == FOLDERS:
        return source
    return _Relabelled(source, {} if classes == NONE else read_classes_file(Path(classes)))


def _find_source(path: Path) -> Source:
    if path.is_dir():
        kind = _find_kind([parts for _, parts in walk_folder(path)])
        return FolderSource(path) if kind is None else kind(path)
    if not path.is_file():
        raise DataSetError(f"There is nothing at {path}. Name a folder, a zip, a tar or a Parquet file.")
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith(b"PK\3\4"):
        return ZipSource(path)
    if start.startswith(b"PAR1"):
        return ParquetSource(path)
    if start[257:262] == b"ustar" or path.suffix.lower() == ".tar":
        return TarSource(path)
    if start.startswith((b"\x1f\x8b", b"\xfd7zXZ", b"BZh", b"\x28\xb5\x2f\xfd")):
        raise DataSetError(_say_packed(path))
    raise DataSetError(f"{path} is no folder, zip, tar or Parquet file. A single picture is explained by “show”.")


def _find_kind(files: Iterable[tuple[str, ...]]) -> type[TarSource] | type[ParquetSource] | None:
    """What a folder of these files is a folder of; None of pictures."""
    named = [parts for parts in files if not is_junk(parts)]
    suffixes = {Path(named[number][-1]).suffix.lower() for number in choose_pictures(named)}
    if ".tar" in suffixes:  # and nothing is named like a picture
        return TarSource
    return ParquetSource if ".parquet" in suffixes else None


def _find_remote(path: RemotePath) -> Source:
    """What lies at an address, by its name: to look into a file there takes time."""
    if not path.is_dir():
        kinds: dict[str, type[Source]] = {".zip": ZipSource, ".tar": TarSource, ".parquet": ParquetSource}
        if path.suffix.lower() not in kinds:
            raise DataSetError(_say_packed(path))
        return kinds[path.suffix.lower()](path)
    try:
        kind = _find_kind([tuple(name.split("/")) for name, _ in path.files])
    except OSError as error:
        raise DataSetError(
            f"{path} cannot be reached: {error.strerror or error}. Is the name right, and is there a network?"
        ) from None
    return RemoteFolderSource(path) if kind is None else kind(path)


def _say_packed(path: Place) -> str:
    return f"{path} is packed as a whole, so no picture in it can be reached. Unpack it to a .tar."


class _Relabelled(Source):
    """A source whose classes and groups are those of a table, or none."""

    def __init__(self, source: Source, table: dict[str, tuple[str, str]]) -> None:
        super().__init__(source.path)
        self.kind = source.kind
        self._source, self._table = source, table

    def list_items(self) -> Iterable[Item]:
        for item in self._source.items:
            by_path = self._table.get(item.uri)
            label, group = by_path or self._table.get(item.uri.rpartition("/")[2], ("", ""))
            yield replace(item, label=label, group=group)

    def read(self, item: Item) -> bytes:
        return self._source.read(item)


def read_classes_file(path: Path) -> dict[str, tuple[str, str]]:
    """Class and group of each file, from a CSV with a heading: `file`, and `label`, `group` or both.

    Args:
        path: of the CSV, its fields parted by commas, semicolons or tabs; its `file` is a path in the source, or a
            file's name alone.

    Raises:
        DataSetError: it has no such columns.
    """
    rows = [row for row in read_rows(read_file(path, DataSetError)) if any(row)]
    columns = rows[0] if rows else []
    if "file" not in columns or not {"label", "group"} & set(columns):
        raise DataSetError(
            f"{path} needs the columns “file” and “label” or “group”, with these names in its first line."
        )
    told = [dict(zip(columns, row, strict=False)) for row in rows[1:]]
    return {row["file"]: (row.get("label", ""), row.get("group", "")) for row in told if "file" in row}
