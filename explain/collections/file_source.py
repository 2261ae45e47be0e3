"""Pictures as files: below a folder, or in a zip."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from explain.collections.source import Item, Kind, Source, choose_pictures, place_by_folders
from explain.datasets.archive import Budget, check_entry, open_zip, read_entry
from explain.datasets.given import UnreadableFile, is_junk, read_path, walk_folder

_MOST_UNPACKED = 2**50
"""Of a zip, in bytes: its pictures are unpacked one at a time and forgotten, so only a single one can be too large."""


class FolderSource(Source):
    """Files below a folder; links in it are followed."""

    kind: Kind = "folder"

    def list_items(self) -> Iterable[Item]:
        files = [(path, parts) for path, parts in walk_folder(self.path) if not is_junk(parts)]
        for number in choose_pictures([parts for _, parts in files]):
            path, parts = files[number]
            yield place_by_folders(Item("/".join(parts), 0, path.stat().st_size))

    def read(self, item: Item) -> bytes:
        # A run's folder may come from elsewhere: what it names lies below its source, or is not read.
        parts = item.uri.split("/")
        if ".." in parts or Path(item.uri).is_absolute():
            raise UnreadableFile("It lies outside the collection's folder.")
        return read_path(self.path.joinpath(*parts))


class ZipSource(Source):
    """A zip of pictures, read where it lies."""

    kind: Kind = "zip"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._budget = Budget(path.name, most=_MOST_UNPACKED)

    @cached_property
    def _entries(self) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
        archive, entries = open_zip(self.path.open("rb"), self.path.name)
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
