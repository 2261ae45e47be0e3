"""All results of a run as one table that is mapped into memory, so that a million rows open at once. Imports no torch.

Small files keep a run safe, but thousands of them are slow to open. What they say is gathered in one Arrow file beside
them, which is no more than a copy: it grows by the shards that came since, and is made anew where it does not fit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from explain.collections.question import RunManifest
from explain.collections.run_folder import MAPS, RESULTS, ROWS_TOGETHER, THUMBNAILS, RunFolder
from explain.collections.tables import list_result_fields, name_column
from explain.errors import ExplainError, StorageError
from explain.pictures.geometry import Box
from explain.storage import write_atomically

_SHARDS = b"shards"
_PLACES = pa.schema([("shard", pa.int32()), ("place", pa.int32())])
WORDS = ("state", "error", "label", "group", "predicted", "target")
"""Columns of few different texts."""

MISSING = -1
"""The number of a text that is not said."""


@dataclass(frozen=True, eq=False)
class KeptMap:
    """A map as it is kept.

    Attributes:
        values: `(h, w)` float32, signed, not normalised.
        box: where it lies, in the picture's pixels.
    """

    values: np.ndarray
    box: Box


class Gathered:
    """A run as one table. Its rows are numbered; columns are had as arrays with a value for each row.

    Args:
        path: the run's folder.

    Attributes:
        folder: its files.
        manifest: what was asked.

    Raises:
        ExplainError: the folder is no run's, is damaged, or was written by a newer CAMscope.
    """

    def __init__(self, path: Path) -> None:
        self.folder = RunFolder(path)
        self.manifest: RunManifest = self.folder.read_manifest()
        try:
            self._table, self._names = _gather(self.folder, self.manifest)
        except (pa.ArrowException, OSError, KeyError) as error:
            raise ExplainError(f"The run in {path} is damaged: {error}.") from None
        self._arrays: dict[str, np.ndarray] = {}
        self._texts: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {}

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @cached_property
    def digest(self) -> str:
        """Of what it holds by now: the folder, when the run in it began, the question and the shards. The last two are
        the same for other pictures that are called alike and are as long, such as two patients' plain files.
        """
        manifest = self.folder.manifest
        begun = str(manifest.stat().st_mtime_ns) if manifest.exists() else ""
        told = [str(self.folder.path.absolute()), begun, self.manifest.digest, *self._names]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()

    @property
    def methods(self) -> tuple[str, ...]:
        """Those that there are maps of."""
        return self.manifest.question.methods

    @cached_property
    def has_thumbnails(self) -> bool:
        """Whether pictures were kept small."""
        return bool(self._names) and self.folder.file(THUMBNAILS, self._names[0]).exists()

    def numbers(self, column: str) -> np.ndarray:
        """A column of numbers, `(n,)` float32, NaN where there is none; of truths 0 and 1."""
        if column not in self._arrays:
            values = self._table[column]
            if pa.types.is_boolean(values.type):
                values = values.cast(pa.int8())
            self._arrays[column] = values.cast(pa.float32()).to_numpy()
        return self._arrays[column]

    def codes(self, column: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """A column of few different texts, as numbers `(n,)` int32, `MISSING` where nothing is said, and the texts."""
        if column not in self._texts:
            values = self._table[column].unify_dictionaries().combine_chunks()
            values = values.chunk(0) if isinstance(values, pa.ChunkedArray) else values
            codes = pc.fill_null(values.indices, MISSING).to_numpy(zero_copy_only=False).astype(np.int32)
            self._texts[column] = codes, tuple(values.dictionary.to_pylist())
        return self._texts[column]

    def texts(self, column: str, rows: Sequence[int] | np.ndarray) -> list[str]:
        """A column of texts at some rows; empty where nothing is said."""
        return [text or "" for text in self._table[column].take(pa.array(rows, pa.int64())).to_pylist()]

    def read_rows(self, rows: Sequence[int]) -> list[dict[str, object]]:
        """All that is said of some rows."""
        return list(self._table.take(pa.array(rows, pa.int64())).to_pylist())

    def read_maps(self, rows: Sequence[int], method: str) -> dict[int, KeptMap]:
        """The maps of some rows; left out are those of pictures that failed, or whose values were no numbers."""
        columns = [name_column(method, what) for what in ("", "rows", "scale", "box")]
        found: dict[int, KeptMap] = {}
        for numbers, table in self._read_places(rows, MAPS, columns):
            for number, (values, height, scale, box) in zip(
                numbers, zip(*_list_columns(table), strict=True), strict=True
            ):
                if values is not None:
                    laid = np.asarray(values, np.float32).reshape(height, -1) * np.float32(scale)
                    found[number] = KeptMap(laid, Box(*box))
        return found

    def read_thumbnails(self, rows: Sequence[int]) -> dict[int, bytes]:
        """The small pictures of some rows, as JPEG; left out are those that were not kept."""
        by_shard: dict[int, list[int]] = {}
        for row in rows:
            by_shard.setdefault(int(self._shards[row]), []).append(row)
        found: dict[int, bytes] = {}
        ids = self._table["id"]
        for shard, members in by_shard.items():
            path = self.folder.file(THUMBNAILS, self._names[shard])
            if path.exists():
                table = pq.read_table(path)
                held = dict(zip(table["id"].to_pylist(), table["jpeg"].to_pylist(), strict=True))
                found |= {row: held[id] for row in members if (id := ids[row].as_py()) in held}
        return found

    @cached_property
    def _shards(self) -> np.ndarray:
        shards: np.ndarray = self._table["shard"].to_numpy()
        return shards

    def _read_places(self, rows: Sequence[int], kind: str, columns: list[str]) -> list[tuple[list[int], pa.Table]]:
        """Of some rows, what a kind of file holds: for each file that is opened, the rows and a table of them."""
        places = self._table["place"].to_numpy()
        by_group: dict[tuple[int, int], list[int]] = {}
        for row in rows:
            if places[row] >= 0:
                by_group.setdefault((int(self._shards[row]), int(places[row]) // ROWS_TOGETHER), []).append(row)
        found = []
        for (shard, group), members in by_group.items():
            try:
                table = pq.ParquetFile(self.folder.file(kind, self._names[shard])).read_row_group(group, columns)
            except (pa.ArrowException, OSError) as error:
                raise ExplainError(f"The maps of this run are damaged: {error}.") from None
            found.append((members, table.take([int(places[row]) % ROWS_TOGETHER for row in members])))
        return found


def _list_columns(table: pa.Table) -> list[list[object]]:
    return [column.to_pylist() for column in table.columns]


def _gather(folder: RunFolder, manifest: RunManifest) -> tuple[pa.Table, list[str]]:
    """The whole table, from the copy as far as that goes and from the shards that came since; and the shards in it."""
    held, known = _open_copy(folder, manifest)
    there = {file.stem.removeprefix(f"{RESULTS}-") for file in folder.list_files(RESULTS)}
    if not there.issuperset(known):
        held, known = held.slice(0, 0), []
    fresh = sorted(there.difference(known))
    if not fresh:
        return held, known
    names = [*known, *fresh]
    read = [_read_shard(folder, manifest, name, number) for number, name in enumerate(names) if number >= len(known)]
    table = pa.concat_tables([held, *read]).unify_dictionaries().combine_chunks()
    _write_copy(folder, manifest, names, table)
    return table, names


def _list_fields(manifest: RunManifest) -> pa.Schema:
    """The columns of the gathered table."""
    words = {*WORDS, *(name_column(method, "verdict") for method in manifest.question.methods)}
    fields = [
        field.with_type(pa.dictionary(pa.int32(), pa.string())) if field.name in words else field
        for field in list_result_fields(manifest.question)
    ]
    return pa.schema([*fields, *_PLACES])


def _read_shard(folder: RunFolder, manifest: RunManifest, name: str, number: int) -> pa.Table:
    table = pq.read_table(folder.file(RESULTS, name))
    done = pc.equal(table["state"], "done").to_numpy(zero_copy_only=False).astype(bool)
    # The maps' file has a row for each picture that could be explained, in the same order.
    place = np.where(done, np.cumsum(done) - 1, MISSING).astype(np.int32)
    table = table.append_column("shard", pa.array(np.full(len(table), number, np.int32)))
    return table.append_column("place", pa.array(place)).cast(_list_fields(manifest))


def _open_copy(folder: RunFolder, manifest: RunManifest) -> tuple[pa.Table, list[str]]:
    """The copy that lies beside the shards, and which shards are in it; an empty one where there is none that fits."""
    fields = _list_fields(manifest)
    with contextlib.suppress(OSError, pa.ArrowException, ValueError, KeyError):
        table = pa.ipc.open_file(pa.memory_map(str(folder.gathered))).read_all()
        told: Mapping[bytes, bytes] = table.schema.metadata or {}
        names = json.loads(told[_SHARDS])
        if isinstance(names, list) and table.schema.equals(fields):
            return table.replace_schema_metadata(None), names
    return fields.empty_table(), []


def _write_copy(folder: RunFolder, manifest: RunManifest, names: list[str], table: pa.Table) -> None:
    """Keep the table for the next time; where the folder cannot be written, it is gathered again then."""
    told = table.replace_schema_metadata({_SHARDS: json.dumps(names)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, told.schema) as writer:
        writer.write_table(told)
    with contextlib.suppress(StorageError):
        write_atomically(folder.gathered, sink.getvalue().to_pybytes(), sync=False)
