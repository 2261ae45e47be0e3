"""Data sets in Parquet files, as the Hugging Face hub keeps them: a column of pictures beside what they are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from explain.collections.remote import Place, list_named
from explain.collections.source import Item, Kind, Source, check_inside
from explain.datasets.given import UnreadableFile
from explain.errors import DataSetError

_PICTURES, _LABELS, _GROUPS = ("image", "img", "picture"), ("label", "labels", "class"), ("group", "split", "source")


class ParquetSource(Source):
    """A Parquet file, or a folder of them, whose column `image` holds the bytes of pictures.

    The column is binary, or a struct with `bytes`, as the hub writes it. Names of classes are those in its metadata.
    """

    kind: Kind = "parquet"

    def list_items(self) -> Iterable[Item]:
        for name, path in list_named(self.path, ".parquet"):
            file = _open(path)
            label, group = (_find(file.schema_arrow, names) for names in (_LABELS, _GROUPS))
            _find_pictures(file.schema_arrow, path)
            columns = [column for column in (label, group) if column]
            said = file.read(columns=columns) if columns else None
            names = _read_names(file.schema_arrow, label)
            labels = _write(said[label], names) if said is not None and label else None
            groups = _write(said[group], ()) if said is not None and group else None
            for row in range(file.metadata.num_rows):
                yield Item(name, row, -1, labels[row] if labels else "", groups[row] if groups else "")

    def read(self, item: Item) -> bytes:
        check_inside(item.uri)
        try:
            data = _read_row(self.path / item.uri if item.uri else self.path, item.offset)
        except (pa.ArrowException, OSError, DataSetError, IndexError) as error:
            raise UnreadableFile(f"Its row cannot be read ({error}).") from None
        if not isinstance(data, bytes):
            raise UnreadableFile("Its row holds no picture.")
        return data


def _open(path: Place) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path if isinstance(path, Path) else path.open())
    except (pa.ArrowException, OSError) as error:
        raise DataSetError(f"{path} is no Parquet file, or is damaged ({error}).") from None


def _find(schema: pa.Schema, names: tuple[str, ...]) -> str:
    return next((name for name in names if name in schema.names), "")


def _find_pictures(schema: pa.Schema, path: Place) -> str:
    """The column of pictures, in the dotted form that reads the bytes alone.

    Raises:
        DataSetError: there is none.
    """
    name = _find(schema, _PICTURES)
    if name:
        kind = schema.field(name).type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return f"{name}.bytes"
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return name
    raise DataSetError(f"{path} has no column “image” of pictures' bytes. Rename the column that has them.")


def _read_names(schema: pa.Schema, label: str) -> tuple[str, ...]:
    """Names of the classes, where the hub's metadata has them."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = told["info"]["features"][label]["names"]
    except (ValueError, KeyError, TypeError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _write(column: pa.ChunkedArray, names: tuple[str, ...]) -> list[str]:
    """Values as text; numbers of classes by their names."""

    def write(value: Any) -> str:
        if isinstance(value, int) and 0 <= value < len(names):
            return names[value]
        return "" if value is None else str(value)

    return [write(value) for value in column.to_pylist()]


@lru_cache(maxsize=1)
def _read_group(path: Place, group: int) -> list[Any]:
    """The pictures of one row group: rows are asked for in turn, so the last one is what the next row needs."""
    file = _open(path)
    column = file.read_row_group(group, columns=[_find_pictures(file.schema_arrow, path)]).column(0)
    if pa.types.is_struct(column.type):
        return [None if value is None else value["bytes"] for value in column.to_pylist()]
    return list(column.to_pylist())


@lru_cache(maxsize=8)
def _list_group_sizes(path: Place) -> tuple[int, ...]:
    metadata = _open(path).metadata
    return tuple(metadata.row_group(number).num_rows for number in range(metadata.num_row_groups))


def _read_row(path: Place, row: int) -> Any:
    for number, size in enumerate(_list_group_sizes(path)):
        if row < size:
            return _read_group(path, number)[row]
        row -= size
    raise IndexError("there is no such row")
