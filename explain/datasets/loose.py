"""Pictures without classes, as they were handed over: files, folders and zips of them, kept as bytes and bounded."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from explain.datasets.archive import Budget, check_entry, open_zip, read_entry
from explain.datasets.given import GivenFile, UnreadableFile, is_junk, read_given, split_path
from explain.errors import Cancelled, DataSetError, PictureError
from explain.pictures.decode import decode
from explain.pictures.kind import Kind
from explain.pictures.picture import Picture
from explain.progress import Progress

MOST_PICTURES = 400
"""That are kept; of more, as many lie evenly between the first and the last."""

MOST_BYTES = 256 * 2**20
"""Of the files that are kept."""

_ZIP, _ZIPPED = b"PK\3\4", "the zip"


@dataclass(frozen=True)
class LoosePicture:
    """A picture in its file, whose name is not kept: it may be a patient's.

    Attributes:
        digest: of the picture, once it is opened.
        data: the file's bytes.
    """

    digest: str
    data: bytes = field(repr=False)

    def open(self) -> Picture:
        """The picture, read as an upload is."""
        return decode(self.data, f"Picture {self.digest[:6]}")


@dataclass(frozen=True)
class Loose:
    """What was found in files.

    Attributes:
        pictures: different ones.
        given: how many files looked like pictures, or were some.
        unreadable: how many of those that were tried cannot be read.
        reason: why the first of them cannot; it is called by its number.
        kinds: how many of the pictures are of which kind.
    """

    pictures: tuple[LoosePicture, ...]
    given: int
    unreadable: int
    reason: str
    kinds: Mapping[Kind, int]


def read_loose(files: Sequence[tuple[str, bytes]], progress: Progress, cancel: threading.Event | None = None) -> Loose:
    """The pictures in files and in zips of files. Nothing is unpacked to a disk, and one picture is held at a time.

    Args:
        files: path and bytes of each.
        progress: told how far it is.
        cancel: set to stop.

    Raises:
        DataSetError: a zip is damaged, encrypted, climbs out of its folder or unpacks to too much; or the pictures take
            more than `MOST_BYTES`.
        Cancelled: it was stopped.
    """
    found = [file for one in files for file in list_files(*one)]
    named = [file for file in found if file.looks_like_picture] or found
    count = min(len(named), MOST_PICTURES)
    chosen = [named[place * len(named) // count] for place in range(count)]
    pictures: dict[str, LoosePicture] = {}
    kinds: Counter[Kind] = Counter()
    unreadable, reason, size = 0, "", 0
    for number, file in enumerate(chosen, 1):
        if cancel is not None and cancel.is_set():
            raise Cancelled("Reading the pictures was stopped.")
        progress((number - 1) / count, f"Reading picture {number:,} of {count:,}")
        try:
            data = file.read()
            picture = decode(data, f"File {number}")
        except (UnreadableFile, PictureError) as error:
            unreadable, reason = unreadable + 1, reason or str(error)
            continue
        if picture.digest in pictures:
            continue
        size += len(data)
        if size > MOST_BYTES:
            raise DataSetError(f"These pictures take more than {MOST_BYTES // 2**20} MB. Give fewer, or smaller ones.")
        pictures[picture.digest] = LoosePicture(picture.digest, data)
        kinds[picture.kind] += 1
    return Loose(tuple(pictures.values()), len(named), unreadable, reason, kinds)


def list_files(path: str, data: bytes) -> Iterator[GivenFile]:
    """A file, or those in it where it is a zip. Nothing of it is read yet.

    Args:
        path: what it is called.
        data: its bytes.

    Raises:
        DataSetError: a zip is damaged, encrypted or climbs out of its folder.
    """
    parts = split_path(path)
    if not parts or is_junk(parts):
        return
    if not data.startswith(_ZIP):
        yield GivenFile(parts, partial(read_given, data))
        return
    archive, entries = open_zip(io.BytesIO(data), _ZIPPED)
    budget = Budget(_ZIPPED, hides_names=True)
    for entry in entries:
        inside = check_entry(entry, budget)
        if inside and not entry.is_dir() and not is_junk(inside):
            yield GivenFile(inside, partial(read_entry, archive, entry, budget))
