"""Pictures as files: below a folder, here or elsewhere, or in a zip."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from explain.collections.remote import Place, RemotePath
from explain.collections.source import Item, Kind, Source, check_inside, choose_pictures, place_by_folders
from explain.datasets.archive import Budget, check_entry, open_zip, read_entry
from explain.datasets.given import UnreadableFile, is_junk, read_path, say_too_large, walk_folder
from explain.errors import DataSetError
from explain.pictures.bounds import MAX_BYTES

_MOST_UNPACKED = 2**50
"""Of a zip, in bytes: its pictures are unpacked one at a time and forgotten, so only a single one can be too large."""


class FolderSource(Source):
    """Files below a folder; links in it are followed."""

    kind: Kind = "folder"
    path: Path

    def list_items(self) -> Iterable[Item]:
        files = [(path, parts) for path, parts in walk_folder(self.path) if not is_junk(parts)]
        for number in choose_pictures([parts for _, parts in files]):
            path, parts = files[number]
            yield place_by_folders(Item("/".join(parts), 0, path.stat().st_size))

    def read(self, item: Item) -> bytes:
        check_inside(item.uri)
        return read_path(self.path.joinpath(*item.uri.split("/")))


class RemoteFolderSource(Source):
    """Files below an address."""

    kind: Kind = "folder"
    path: RemotePath

    def list_items(self) -> Iterable[Item]:
        files = [(name, size) for name, size in self.path.files if not is_junk(name.split("/"))]
        for number in choose_pictures([tuple(name.split("/")) for name, _ in files]):
            yield place_by_folders(Item(files[number][0], 0, files[number][1]))

    def read(self, item: Item) -> bytes:
        check_inside(item.uri)
        file = self.path / item.uri
        try:
            if (item.length if item.length >= 0 else file.measure()) > MAX_BYTES:
                raise UnreadableFile(say_too_large())
            return file.read_bytes()
        except OSError as error:
            raise UnreadableFile(f"It cannot be fetched ({error.strerror or error}).") from None


class ZipSource(Source):
    """A zip of pictures, read where it lies."""

    kind: Kind = "zip"

    def __init__(self, path: Place) -> None:
        super().__init__(path)
        self._budget = Budget(path.name, most=_MOST_UNPACKED)

    @cached_property
    def _entries(self) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
        try:
            archive, entries = open_zip(self.path.open("rb"), self.path.name)
        except OSError as error:
            raise DataSetError(f"{self.path} cannot be read: {error.strerror or error}.") from None
        found: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            parts = check_entry(entry, self._budget)
            if parts and not entry.is_dir() and not is_junk(parts):
                found["/".join(parts)] = entry
        return archive, found

    def list_items(self) -> Iterable[Item]:
        names = list(self._entries[1])
        for number in choose_pictures([tuple(name.split("/")) for name in names]):
            entry = self._entries[1][names[number]]
            yield place_by_folders(Item(names[number], 0, entry.file_size))

    def read(self, item: Item) -> bytes:
        archive, entries = self._entries
        if item.uri not in entries:
            raise UnreadableFile("It is not in the zip any more.")
        return read_entry(archive, entries[item.uri], self._budget)
