"""Zips that nobody vouches for: what is checked before and while one is unpacked."""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from typing import BinaryIO

from explain.datasets.given import LONGEST_NAME, MOST_FILES, UnreadableFile, say_too_large, split_path
from explain.errors import DataSetError, make_printable
from explain.pictures.bounds import MAX_BYTES

MOST_UNPACKED = 4 * 2**30
"""The most bytes that a zip may unpack to, counted while unpacking."""

# Deflate packs at most 1,032 to 1. Pictures are packed already: a white page as BMP comes near that, and is small.
_MOST_RATIO = 100
_ANY_RATIO_BELOW = 16 * 2**20
_CHUNK = 2**20
_MOST_DIRECTORY_BYTES = 32 * 2**20


class Budget:
    """How much more may be unpacked. Closed once everything was seen: what fitted then will fit again.

    Attributes:
        name: what to call the zip in an error.
        left: bytes that may still be unpacked.
        largest: bytes of a single file, at most.
        hides_names: whether the names of files in it may be a patient's, and stand in no error.
    """

    def __init__(
        self, name: str, most: int | None = None, largest: int | None = None, hides_names: bool = False
    ) -> None:
        self.name = name
        self.left = self._most = MOST_UNPACKED if most is None else most
        self.largest = MAX_BYTES if largest is None else largest
        self.hides_names = hides_names
        self._is_open = True

    def call(self, entry: zipfile.ZipInfo) -> str:
        """What to call a file of the zip in an error."""
        return "a file" if self.hides_names else f"“{make_printable(entry.filename, LONGEST_NAME)}”"

    def close(self) -> None:
        """Count no more."""
        self._is_open = False

    def spend(self, count: int) -> None:
        """Count bytes that were unpacked.

        Raises:
            DataSetError: they are too many by now.
        """
        if not self._is_open:
            return
        self.left -= count
        if self.left < 0:
            raise DataSetError(
                f"“{self.name}” unpacks to more than {self._most / 2**30:.0f} GB. Use smaller pictures, or fewer."
            )


def open_zip(stream: BinaryIO, name: str) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """The zip and its entries, once its list of contents is known to be bounded and honest.

    Args:
        stream: the zip; it must stay open as long as the entries are read.
        name: what to call it in an error.

    Raises:
        DataSetError: it is no zip, lists too many files, or claims to hold more bytes than it has.
    """
    damaged = f"“{name}” is no zip, or is damaged or cut short. Pack the folder again."
    try:
        size = stream.seek(0, io.SEEK_END)
        listed = _measure_directory(stream, size)
        if listed is None or listed > _MOST_DIRECTORY_BYTES:
            raise DataSetError(f"“{name}” is packed for more than {MOST_FILES:,} files or 4 GB. Leave some out.")
        archive = zipfile.ZipFile(stream)
    except DataSetError:
        raise
    except (zipfile.BadZipFile, ValueError, OSError, struct.error, NotImplementedError):
        raise DataSetError(damaged) from None
    entries = archive.infolist()
    if len(entries) > MOST_FILES:
        raise DataSetError(f"“{name}” holds more than {MOST_FILES:,} files. Leave some out.")
    if sum(entry.compress_size for entry in entries) > size:
        # Entries that share their bytes make a bomb without any nesting.
        raise DataSetError(damaged)
    return archive, entries


def _measure_directory(stream: BinaryIO, size: int) -> int | None:
    """Bytes of a zip's list of contents, by the record at its end (APPNOTE 4.3.16); None for ZIP64, which has another.

    Python would read the whole list before it could be asked how long it is.
    """
    tail_size = min(size, 22 + 65_535)
    stream.seek(size - tail_size)
    tail = stream.read(tail_size)
    at = tail.rfind(b"PK\5\6")
    if at < 0:
        raise zipfile.BadZipFile("no end record")
    if tail[max(at - 20, 0) : at].startswith(b"PK\6\7"):
        return None
    return int(struct.unpack_from("<I", tail, at + 12)[0])


def check_entry(entry: zipfile.ZipInfo, budget: Budget) -> tuple[str, ...]:
    """The entry's path, where it stays inside the zip's own folder and can be read.

    Args:
        entry: of a zip that `open_zip` opened.
        budget: of the zip.

    Raises:
        DataSetError: it points elsewhere, is a link, is encrypted, or is packed in a way that is not read.
    """
    path = entry.filename.replace("\\", "/")
    name, shown = budget.name, budget.call(entry)
    if path.startswith("/") or re.match("[A-Za-z]:", path) or ".." in path.split("/"):
        raise DataSetError(
            f"“{name}” was not opened: {shown} in it points outside the folder it belongs to. Pack the folder again."
        )
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise DataSetError(
            f"“{name}” was not opened: {shown} in it is a link to another file. Pack the pictures themselves."
        )
    if entry.flag_bits & 1:
        raise DataSetError(f"“{name}” is encrypted. Pack the folder again without a password.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataSetError(f"“{name}” is packed in a rare way. Pack the folder again as an ordinary zip.")
    return split_path(path)


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: Budget) -> bytes:
    """Unpack a file in small steps; the sizes that its header claims are not relied on.

    Args:
        archive: the zip.
        entry: the file in it, as `check_entry` passed it.
        budget: what is left for all files of the zip together.

    Raises:
        DataSetError: it unpacks like a bomb, or the budget is spent: the zip as a whole is refused.
        UnreadableFile: this file is damaged or too large; the others can be read.
    """
    chunks: list[bytes] = []
    unpacked = 0
    try:
        with archive.open(entry) as stream:
            while chunk := stream.read(_CHUNK):
                unpacked += len(chunk)
                budget.spend(len(chunk))
                if unpacked > _ANY_RATIO_BELOW and unpacked > _MOST_RATIO * entry.compress_size:
                    raise DataSetError(
                        f"“{budget.name}” was not opened: {budget.call(entry)} in it unpacks to more than "
                        f"{_MOST_RATIO} times its size, as a zip bomb does. Pack pictures saved as JPEG or PNG."
                    )
                if unpacked > budget.largest:
                    raise UnreadableFile(say_too_large(budget.largest))
                chunks.append(chunk)
    except DataSetError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError):
        raise UnreadableFile("It is damaged in the zip.") from None
    return b"".join(chunks)
