"""Pictures in classes, with a split to train on and one to check with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from explain.errors import DataSetError, StorageError
from explain.storage import write_atomically

Split = Literal["train", "val"]


_DESCRIPTION = "dataset.json"
_FOLDER = "pictures"


@dataclass(frozen=True)
class Example:
    """One picture of a set.

    Attributes:
        name: what its file was called; for display only.
        digest: SHA-256 of its bytes, hexadecimal.
        label: index of its class.
        split: whether prompts are trained on it or checked with it.
        source: its bytes, or what reads them.
    """

    name: str
    digest: str
    label: int
    split: Split
    source: bytes | Callable[[], bytes] = field(repr=False, compare=False)

    @property
    def data(self) -> bytes:
        """The file as it was given, for `explain.pictures.decode.decode`.

        Raises:
            DataSetError: it is no longer where it was, or is another one.
        """
        data = self.source if isinstance(self.source, bytes) else self.source()
        if hashlib.sha256(data).hexdigest() != self.digest:
            raise DataSetError(f"“{self.name}” has changed since the set was read. Read the set again.")
        return data


@dataclass(frozen=True)
class Skipped:
    """A file that is left out, by its path in the set, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class DataSet:
    """Pictures in classes, each in one split. Every class has at least one picture to train on and one to check with.

    Attributes:
        labels: a name for each class, in alphabetical order.
        examples: each picture once.
        skipped: what was left out.
    """

    labels: tuple[str, ...]
    examples: tuple[Example, ...]
    skipped: tuple[Skipped, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over labels, digests and splits: the same for the same pictures in the same classes."""
        digest = hashlib.sha256("\n".join([*self.labels, ""]).encode())
        for line in sorted(f"{example.digest} {example.label} {example.split}\n" for example in self.examples):
            digest.update(line.encode())
        return digest.hexdigest()

    def list_split(self, split: Split) -> tuple[Example, ...]:
        """The examples of one split."""
        return tuple(example for example in self.examples if example.split == split)

    def save(self, folder: Path) -> None:
        """Keep the set in a folder: pictures under their digests, and `dataset.json`, which is written last.

        Raises:
            StorageError: the disk is full or cannot be written; what this call wrote is gone again.
        """
        described = _Description(
            labels=self.labels,
            examples=tuple(_Entry(name=e.name, digest=e.digest, label=e.label, split=e.split) for e in self.examples),
            skipped=tuple((skipped.name, skipped.reason) for skipped in self.skipped),
        )
        pictures = folder / _FOLDER
        written: list[Path] = []
        try:
            for example in self.examples:
                path = pictures / example.digest
                if not path.exists():
                    write_atomically(path, example.data, sync=False)
                    written.append(path)
            write_atomically(folder / _DESCRIPTION, described.model_dump_json().encode())
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, folder: Path) -> DataSet:
        """A set that `save` kept. Pictures are read when they are asked for.

        Raises:
            DataSetError: there is none, or it is damaged.
        """
        damaged = "The saved pictures are damaged or incomplete. Give the pictures again."
        try:
            described = _Description.model_validate_json((folder / _DESCRIPTION).read_bytes())
            present = {entry.name for entry in os.scandir(folder / _FOLDER)}
        except (OSError, ValidationError):
            raise DataSetError(damaged) from None
        if any(e.label >= len(described.labels) or e.digest not in present for e in described.examples):
            raise DataSetError(damaged)
        examples = tuple(
            Example(e.name, e.digest, e.label, e.split, partial(_read_kept, folder / _FOLDER / e.digest, e.name))
            for e in described.examples
        )
        return cls(described.labels, examples, tuple(Skipped(*skipped) for skipped in described.skipped))


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    label: int = Field(ge=0)
    split: Split


class _Description(BaseModel):
    """What `dataset.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    labels: tuple[str, ...]
    examples: tuple[_Entry, ...]
    skipped: tuple[tuple[str, str], ...]


def _read_kept(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"“{name}” cannot be read any more ({error.strerror or error}).") from None
