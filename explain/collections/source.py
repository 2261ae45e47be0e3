"""A collection before it is opened: what lists its pictures, and reads one at a time. Nothing is unpacked to a disk."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from explain.collections.remote import Place, read_address
from explain.datasets.given import GivenFile, UnreadableFile
from explain.errors import DataSetError
from explain.storage import expand_home

Kind = Literal["folder", "zip", "tar", "parquet"]

_DIGITS = 32
"""Of an item's id: 128 bits, of which two in a million million items are alike by a chance of 10⁻¹⁵."""


@dataclass(frozen=True)
class Item:
    """A picture as a source lists it.

    Attributes:
        uri: where it lies in its source: a path with slashes, of a member after that of its tar and `!`.
        offset: its first byte in the tar that holds it, or its row in a Parquet file; else 0.
        length: its bytes; -1 in a Parquet file, which does not say.
        label: the class that the source says it has; empty where it says none.
        group: what else it belongs to, such as a hospital or a split; empty where nothing is said.
    """

    uri: str
    offset: int = 0
    length: int = -1
    label: str = ""
    group: str = ""

    @property
    def id(self) -> str:
        """What it goes by in a run: a digest of where it lies, hexadecimal. Two copies of a picture are two items."""
        return hashlib.sha256(f"{self.uri}\n{self.offset}\n{self.length}".encode()).hexdigest()[:_DIGITS]


class Source(ABC):
    """A collection that can be listed and read.

    Attributes:
        kind: what it is.
        path: where it lies.
        items: all pictures in it, by their names.
    """

    kind: Kind

    def __init__(self, path: Place) -> None:
        self.path = path

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """All pictures in it, by their names.

        Raises:
            DataSetError: it is damaged, or holds none.
        """
        found = sorted(self.list_items(), key=lambda item: (item.uri, item.offset))
        if not found:
            raise DataSetError(f"{self.path} holds no pictures. Name another folder, zip, tar or Parquet file.")
        return tuple(found)

    @abstractmethod
    def list_items(self) -> Iterable[Item]:
        """Its pictures, in any order."""

    @abstractmethod
    def read(self, item: Item) -> bytes:
        """The bytes of a picture's file.

        Raises:
            UnreadableFile: it cannot be had; the others can.
        """


def find_path(path: Path) -> Path:
    """A path as a person wrote it, absolute and with their home in place of `~`.

    Raises:
        DataSetError: it is an address on a network.
    """
    if read_address(path):
        raise DataSetError(f"{path} is an address. Nothing is fetched here: download it, and name the folder.")
    return expand_home(path).absolute()


def check_inside(path: str) -> None:
    """Refuse what leaves its source: a run's folder, which names the path, may come from elsewhere.

    Raises:
        UnreadableFile: it lies outside.
    """
    if ".." in path.split("/") or Path(path).is_absolute():
        raise UnreadableFile("It lies outside the collection's folder.")


def choose_pictures(files: Sequence[tuple[str, ...]]) -> list[int]:
    """Which of some files are taken for pictures, by their numbers: those that are named like one, or all where none
    is, such as DICOM files without an extension.
    """
    named = [number for number, parts in enumerate(files) if GivenFile(parts, bytes).looks_like_picture]
    return named or list(range(len(files)))


def place_by_folders(item: Item) -> Item:
    """An item with the class and the group that its folders say: `class/picture`, `group/…/class/picture`."""
    *folders, _ = item.uri.split("/")
    label = folders[-1] if folders else ""
    return replace(item, label=label, group=folders[0] if len(folders) > 1 else "")
