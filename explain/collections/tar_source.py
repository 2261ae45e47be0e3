"""Tars as WebDataset lays them out: the files of one picture follow each other and share their name up to a dot.

A picture is read by its place in the tar, so that nothing before it needs to be gone through again. (Format: Aizman,
Maltby and Breuel, "High Performance I/O For Large Scale Deep Learning", 2019, arXiv 2001.01858, section V.)
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator

from explain.collections.remote import Place, list_named
from explain.collections.source import Item, Kind, Source, check_inside, place_by_folders
from explain.datasets.given import GivenFile, UnreadableFile, is_junk, say_too_large, split_path
from explain.errors import DataSetError
from explain.pictures.bounds import MAX_BYTES

_MOST_SAID = 64 * 1024  # bytes of a label's file
_BESIDE = ("cls", "txt", "json")
_LABELS, _GROUPS = ("label", "class", "class_name", "cls"), ("group", "split", "source")


class TarSource(Source):
    """A tar, or a folder of them, not compressed. Labels come from `.cls`, `.txt` or `.json`, else from folders."""

    kind: Kind = "tar"

    def list_items(self) -> Iterable[Item]:
        for name, path in list_named(self.path, ".tar"):
            yield from _list_members(path, name)

    def read(self, item: Item) -> bytes:
        inside = item.uri.partition("!")[0]
        check_inside(inside)
        if item.length > MAX_BYTES:
            raise UnreadableFile(say_too_large())
        try:
            with (self.path / inside if inside else self.path).open("rb") as file:
                file.seek(item.offset)
                data = file.read(item.length)
        except OSError as error:
            raise UnreadableFile(f"The tar cannot be read ({error.strerror or error}).") from None
        if len(data) < item.length:
            raise UnreadableFile("The tar is cut short.")
        return data


def _list_members(path: Place, name: str) -> Iterator[Item]:
    """The pictures of one tar, each with what the files beside it say."""
    waiting: list[Item] = []
    said: dict[str, str] = {}
    key = ""
    try:
        with path.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # it would keep all that it has passed
                parts = split_path(member.name)
                if not member.isreg() or not parts or is_junk(parts):
                    continue
                folder, _, file = "/".join(parts).rpartition("/")
                base, _, extension = file.partition(".")
                if (folder + "/" + base) != key:
                    yield from _label(waiting, said)
                    waiting, said, key = [], {}, folder + "/" + base
                if GivenFile(parts, bytes).looks_like_picture:
                    waiting.append(Item(f"{name}!{'/'.join(parts)}", member.offset_data, member.size))
                elif extension.lower() in _BESIDE and member.size <= _MOST_SAID:
                    held = archive.extractfile(member)
                    said[extension.lower()] = (held.read() if held else b"").decode("utf-8", "replace").strip()
            yield from _label(waiting, said)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataSetError(f"{path} is no tar, or is damaged or cut short ({error}). Pack it again.") from None


def _label(items: list[Item], said: dict[str, str]) -> Iterator[Item]:
    """Items with the class and the group that is said beside them, else those of their folders."""
    label, group = said.get("cls") or said.get("txt", ""), ""
    try:
        record = json.loads(said.get("json", "{}"))
    except ValueError:
        record = {}
    if isinstance(record, dict):
        label = label or next((str(record[name]) for name in _LABELS if name in record), "")
        group = next((str(record[name]) for name in _GROUPS if name in record), "")
    for item in items:
        placed = place_by_folders(Item(item.uri.partition("!")[2]))
        yield Item(item.uri, item.offset, item.length, label or placed.label, group or placed.group)
