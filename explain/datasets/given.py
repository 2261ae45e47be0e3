"""Files as people hand them over, and which of them are passed over."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from explain.errors import DataSetError, make_printable
from explain.pictures.bounds import MAX_BYTES

MOST_FILES = 100_000
"""The most files of a set."""

_PICTURES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".dcm", ".dicom"),
    *(".avif", ".jp2", ".j2k", ".pgm", ".ppm", ".pnm", ".pbm"),
    *(".heic", ".jxl"),  # which cannot be read: whoever has them should learn that
)
_JUNK = ("__macosx", "thumbs.db", "desktop.ini", "$recycle.bin")
LONGEST_NAME = 120


class UnreadableFile(Exception):
    """One file cannot be had, for the reason given; the others can."""


@dataclass(frozen=True)
class GivenFile:
    """A file that was given.

    Attributes:
        parts: its path, from which hidden files and the like have been weeded out.
        read: gives its bytes; raises `UnreadableFile`.
    """

    parts: tuple[str, ...]
    read: Callable[[], bytes]

    @property
    def path(self) -> str:
        """The path as people read it."""
        return make_printable("/".join(self.parts), 2 * LONGEST_NAME)

    @property
    def looks_like_picture(self) -> bool:
        """Whether its extension is a picture's."""
        return self.parts[-1].lower().endswith(_PICTURES)


def split_path(path: str) -> tuple[str, ...]:
    """Folders and file name. Zips of old Windows programs have backslashes."""
    return tuple(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))


def is_junk(parts: Sequence[str]) -> bool:
    """Hidden files, and what operating systems leave behind."""
    return any(part.startswith(".") or part.lower() in _JUNK for part in parts)


def walk_folder(folder: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Every ordinary file below a folder, with its path from there; a folder reached twice by links is entered once."""
    entered: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        here = os.stat(place)
        if (here.st_dev, here.st_ino) in entered:
            folders.clear()
            continue
        entered.add((here.st_dev, here.st_ino))
        folders[:] = sorted(name for name in folders if not is_junk([name]))
        for name in names:
            path = Path(place, name)
            if path.is_file():
                yield path, path.relative_to(folder).parts


def read_path(path: Path) -> bytes:
    """The bytes of a file on disk.

    Raises:
        UnreadableFile: it is too large or cannot be read.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableFile(say_too_large())
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"The file cannot be read ({error.strerror or error}).") from None


def read_given(content: bytes | Callable[[], bytes]) -> bytes:
    """The bytes of a file that was handed over, or of what reads them.

    Raises:
        UnreadableFile: it is too large.
    """
    data = content if isinstance(content, bytes) else content()
    if len(data) > MAX_BYTES:
        raise UnreadableFile(say_too_large())
    return data


def read_again(file: GivenFile, name: str) -> bytes:
    """The bytes of a file that could be read before.

    Args:
        file: the file.
        name: what to call it in an error.

    Raises:
        DataSetError: it cannot be read any more.
    """
    try:
        return file.read()
    except UnreadableFile as error:
        raise DataSetError(f"“{name}” cannot be read any more. {error}") from None


def say_too_large(most: int | None = None) -> str:
    """Why a file is left out that has more bytes than that, or than any may have, in a sentence."""
    return f"It is larger than {(MAX_BYTES if most is None else most) // 1_000_000:,} MB."
