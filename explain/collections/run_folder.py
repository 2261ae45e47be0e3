"""A run's folder: which shards there are, which are written, and how one is written whole or not at all.

A shard's files are named by a digest of the question and of its pictures. Their presence says that they are whole: each
is written beside its place, synced to the disk, and takes its name in one step. So whatever is killed, and whenever, no
picture is lost and none is there twice, and a run goes on where it ended. Imports no torch.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from explain.collections.question import CollectionQuestion, RunManifest, compare_questions, read_run_manifest
from explain.collections.source import Item
from explain.errors import ExplainError, StorageError
from explain.storage import write_atomically

RESULTS, MAPS, THUMBNAILS = "results", "maps", "thumbs"
_DIGITS = 24
ROWS_TOGETHER = 1024
"""Of a Parquet file: what must be read to have one map."""

DEATHS = 3
"""Times that a worker may die on a shard before it is halved, and on a picture before that is listed."""


class Casualties(BaseModel):
    """What workers died on.

    Attributes:
        halved: names of the shards that were halved for it.
        fatal: ids of the pictures that are not opened any more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    halved: tuple[str, ...] = ()
    fatal: tuple[str, ...] = ()


class Asked(Protocol):
    """What is asked of pictures, as far as the names of shards go."""

    @property
    def digest(self) -> str:
        """Of all that decides what is written."""


@dataclass(frozen=True)
class Shard:
    """Pictures that are written together.

    Attributes:
        name: digest of the question and of the pictures' ids.
        ids: of the pictures, in order.
    """

    name: str
    ids: tuple[str, ...]

    @classmethod
    def of(cls, question: Asked, ids: Sequence[str]) -> Shard:
        """The shard of some pictures."""
        told = "\n".join([question.digest, *ids])
        return cls(hashlib.sha256(told.encode()).hexdigest()[:_DIGITS], tuple(ids))

    def halves(self, question: Asked) -> tuple[Shard, Shard]:
        """Its two halves, each a shard of its own."""
        middle = (len(self.ids) + 1) // 2
        return Shard.of(question, self.ids[:middle]), Shard.of(question, self.ids[middle:])


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def manifest(self) -> Path:
        """What was asked."""
        return self.path / "manifest.json"

    @property
    def index(self) -> Path:
        """Which picture belongs to which shard, `id` and `shard`."""
        return self.path / "index.parquet"

    @property
    def gathered(self) -> Path:
        """A copy of all results in one file; see `explain.collections.gathered`."""
        return self.path / "gathered.arrow"

    @property
    def lock(self) -> Path:
        """Held as long as a process works on the run."""
        return self.path / "alive"

    @property
    def casualties(self) -> Path:
        """See `Casualties`."""
        return self.path / "casualties.json"

    def file(self, kind: str, name: str) -> Path:
        """Where the results, maps or thumbnails of a shard lie."""
        return self.path / f"{kind}-{name}.parquet"

    def read_manifest(self) -> RunManifest:
        """What was asked.

        Raises:
            ExplainError: the folder is no run's, or a newer CAMscope wrote it.
        """
        try:
            return read_run_manifest(self.manifest.read_bytes())
        except FileNotFoundError:
            raise ExplainError(
                f"There is no run in {self.path}: it has no manifest.json. Name another folder."
            ) from None
        except OSError as error:
            raise ExplainError(f"{self.path} cannot be read: {error.strerror or error}.") from None

    def begin(self, manifest: RunManifest) -> None:
        """Write the manifest of a run that begins, or check that the one there asks the same. Leftovers of writers that
        were killed go; the caller holds the lock.

        Raises:
            ExplainError: the folder holds a run of another question, or cannot be written.
        """
        if self.manifest.exists():
            difference = compare_questions(self.read_manifest().question, manifest.question)
            if difference:
                raise ExplainError(difference)
        elif any(self.path.glob("*.parquet")):
            raise ExplainError(f"{self.path} holds Parquet files of something else. Name another folder.")
        else:
            for left in (self.gathered, self.casualties):  # by a run that was deleted but for these
                with contextlib.suppress(OSError):
                    left.unlink()
            self._write(self.manifest, manifest.model_dump_json(indent=1).encode())
        self.clear_leftovers()

    def clear_leftovers(self) -> None:
        """Remove what writers left that were killed; the caller holds the lock."""
        for leftover in self.path.glob(".*.part"):
            with contextlib.suppress(OSError):
                leftover.unlink()

    def plan(self, items: Sequence[Item], question: CollectionQuestion) -> list[Shard]:
        """The shards of a run. Pictures that it knows keep their shards; those that came since get new ones.

        Args:
            items: the pictures of the source now.
            question: what is asked.

        Raises:
            ExplainError: the folder's run is of other pictures.
        """
        known = self._read_index()
        fresh = [item.id for item in items if item.id not in known]
        if known and len(fresh) == len(items):
            raise ExplainError("The run in this folder is over other pictures. Name another folder.")
        first = max(known.values(), default=-1) + 1
        known.update({name: first + place // question.shard for place, name in enumerate(fresh)})
        if fresh:
            table = pa.table({"id": list(known), "shard": pa.array(list(known.values()), pa.int32())})
            self._write_table(self.index, table)
        by_shard: dict[int, list[str]] = {}
        for name, number in known.items():
            by_shard.setdefault(number, []).append(name)
        return [Shard.of(question, members) for _, members in sorted(by_shard.items())]

    def _read_index(self) -> dict[str, int]:
        if not self.index.exists():
            return {}
        try:
            columns = pq.read_table(self.index).to_pydict()
            return dict(zip(columns["id"], columns["shard"], strict=True))
        except (pa.ArrowException, OSError, KeyError) as error:
            raise ExplainError(f"{self.index} is damaged ({error}). Name another folder.") from None

    def list_parts(self, shard: Shard, question: Asked, halved: Collection[str]) -> Iterator[Shard]:
        """A shard, or its halves and theirs, where workers died on it."""
        if len(shard.ids) > 1 and shard.name in halved:
            for half in shard.halves(question):
                yield from self.list_parts(half, question, halved)
        else:
            yield shard

    def is_done(self, shard: Shard) -> bool:
        """Whether all of a shard is written: its results are written last."""
        return self.file(RESULTS, shard.name).exists()

    def write(self, shard: Shard, tables: dict[str, pa.Table]) -> None:
        """Write the files of a shard, the results last.

        Raises:
            ExplainError: the disk is full or cannot be written; what was written before stays valid.
        """
        for kind in (THUMBNAILS, MAPS, RESULTS):
            if kind in tables:
                self._write_table(self.file(kind, shard.name), tables[kind])

    def write_measures(self, kind: str, shard: Shard, table: pa.Table) -> None:
        """Write what was measured of a shard's pictures.

        Args:
            kind: of the file; see `MeasureQuestion.kind`.
            shard: the pictures.
            table: a row for each.

        Raises:
            ExplainError: the disk is full or cannot be written; what was written before stays valid.
        """
        self._write_table(self.file(kind, shard.name), table)

    def note(self, name: str, told: BaseModel) -> None:
        """Write what a kind of files is, for whoever reads them without CAMscope.

        Raises:
            ExplainError: as `write_measures`.
        """
        self._write(self.path / f"{name}.json", told.model_dump_json(indent=1).encode())

    def read_casualties(self) -> Casualties:
        """What workers died on."""
        try:
            return Casualties.model_validate_json(self.casualties.read_bytes())
        except (FileNotFoundError, ValidationError):
            return Casualties()

    def mourn(self, shard: str, ids: Sequence[str]) -> None:
        """Note that workers died on a shard: it is halved, or its only picture not opened any more.

        Raises:
            ExplainError: the disk is full or cannot be written.
        """
        held = self.read_casualties()
        if len(ids) == 1:
            held = Casualties(halved=held.halved, fatal=tuple(sorted({*held.fatal, *ids})))
        else:
            held = Casualties(halved=tuple(sorted({*held.halved, shard})), fatal=held.fatal)
        self._write(self.casualties, held.model_dump_json().encode())

    def list_files(self, kind: str) -> list[Path]:
        """All that is written of a kind, for shards that are whole."""
        names = sorted(path.name.removeprefix(f"{RESULTS}-") for path in self.path.glob(f"{RESULTS}-*.parquet"))
        return [path for name in names if (path := self.path / f"{kind}-{name}").exists()]

    def _write_table(self, path: Path, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", row_group_size=ROWS_TOGETHER)
        self._write(path, sink.getvalue().to_pybytes())

    def _write(self, path: Path, data: bytes) -> None:
        try:
            write_atomically(path, data)
        except StorageError as error:
            reason = str(error).partition(":")[0] if "full" not in str(error) else "The disk is full"
            raise ExplainError(
                f"{reason.rstrip('.')}. What is written of the run stays valid: make room, or mend it, and start it "
                "again. It goes on from there."
            ) from None
