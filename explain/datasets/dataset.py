"""Pictures in classes, with a split to train on and one to check with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from explain.errors import DataSetError, StorageError
from explain.storage import write_atomically

Split = Literal["train", "val"]

SHARE_ASIDE = 0.2
"""Of each class, where the set has no validation pictures of its own."""

_DESCRIPTION = "dataset.json"
_FOLDER = "pictures"
_SHOWN = 12  # digits of a digest, where there is no name


@dataclass(frozen=True)
class Example:
    """One picture of a set.

    Attributes:
        name: what its file was called, or the beginning of its digest; for display only.
        digest: SHA-256 of its bytes, hexadecimal.
        label: index of its class.
        split: whether prompts are trained on it or checked with it.
        source: its bytes, or what reads them.
        group: the same for pictures that belong together, such as a patient's; empty where nothing is known of it.
    """

    name: str
    digest: str
    label: int
    split: Split
    source: bytes | Callable[[], bytes] = field(repr=False, compare=False)
    group: str = ""

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
    """A file that is left out.

    Attributes:
        name: its path in the set.
        reason: why, in a sentence.
        is_copy: a file of the same content was taken in its place.
    """

    name: str
    reason: str
    is_copy: bool = False


def describe_skipped(skipped: Sequence[Skipped]) -> str:
    """How many files are left out, and how many of them because they are there already; empty where none is."""
    if not skipped:
        return ""
    copies = sum(one.is_copy for one in skipped)
    count = f"{len(skipped):,} {'files are' if len(skipped) > 1 else 'file is'} left out"
    if not copies:
        return count
    share = "" if copies == len(skipped) else f", {copies:,} of them"
    return f"{count}{share} because the same picture is there already"


@dataclass(frozen=True)
class DataSet:
    """Pictures in classes, each in one split. Every class has at least one picture to train on and one to check with.

    Attributes:
        labels: a name for each class, in alphabetical order.
        examples: each picture once.
        skipped: what was left out.
        divided: whether it came with validation pictures of its own.
    """

    labels: tuple[str, ...]
    examples: tuple[Example, ...]
    skipped: tuple[Skipped, ...] = ()
    divided: bool = False

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over labels, digests, splits and groups: the same for the same pictures in the same classes."""
        digest = hashlib.sha256("\n".join([*self.labels, ""]).encode())
        groups = ("" if number is None else f" {number}" for number in number_groups(self.examples))
        pairs = zip(self.examples, groups, strict=True)
        for line in sorted(f"{one.digest} {one.label} {one.split}{group}\n" for one, group in pairs):
            digest.update(line.encode())
        return digest.hexdigest()

    def list_split(self, split: Split) -> tuple[Example, ...]:
        """The examples of one split."""
        return tuple(example for example in self.examples if example.split == split)

    def save(self, folder: Path) -> None:
        """Keep the set in a folder: pictures under their digests, and `dataset.json`, which is written last.

        What files and groups were called is not kept: it may be a patient's name.

        Raises:
            StorageError: the disk is full or cannot be written; what this call wrote is gone again.
        """
        described = _Description(
            labels=self.labels,
            divided=self.divided,
            examples=tuple(
                _Entry(digest=e.digest, label=e.label, split=e.split, group=group)
                for e, group in zip(self.examples, number_groups(self.examples), strict=True)
            ),
        )
        pictures = folder / _FOLDER
        written: list[Path] = []
        try:
            for example in self.examples:
                path = pictures / example.digest
                if not path.exists():
                    write_atomically(path, example.data, sync=False)
                    written.append(path)
            write_atomically(folder / _DESCRIPTION, described.model_dump_json(exclude_none=True).encode())
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
        return cls(described.labels, tuple(e.open(folder / _FOLDER) for e in described.examples), (), described.divided)


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = None  # written by older versions
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    label: int = Field(ge=0)
    split: Split
    group: int | None = None

    def open(self, pictures: Path) -> Example:
        """The example, whose bytes are in a folder."""
        name = self.digest[:_SHOWN]
        source = partial(_read_kept, pictures / self.digest, name)
        return Example(name, self.digest, self.label, self.split, source, "" if self.group is None else str(self.group))


class _Description(BaseModel):
    """What `dataset.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    labels: tuple[str, ...]
    examples: tuple[_Entry, ...]
    divided: bool = False
    skipped: tuple[tuple[str, str], ...] | None = None  # written by older versions


def number_groups(examples: Iterable[Example]) -> list[int | None]:
    """A number for each example's group, which says nothing of its name; None for those on their own.

    Groups are counted in the order of their smallest digest, so that the same set has the same numbers again.
    """
    listed = [*examples]
    grouped = sorted((example for example in listed if example.group), key=lambda example: example.digest)
    numbers = {group: place for place, group in enumerate(dict.fromkeys(one.group for one in grouped), start=1)}
    return [numbers.get(example.group) for example in listed]


def _read_kept(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"“{name}” cannot be read any more ({error.strerror or error}).") from None
