"""Pictures of a session on their way to a run: one zip on the disk, in which no name is that may be a patient's."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from explain.collections.shard import hides_name
from explain.collections.source import Item, choose_pictures
from explain.datasets.given import LONGEST_NAME, GivenFile, UnreadableFile
from explain.datasets.loose import list_files
from explain.errors import DataSetError, PictureError, make_printable
from explain.pictures.decode import decode
from explain.pictures.naming import Names
from explain.progress import Watch
from explain.storage import open_atomically

MOST_PICTURES, MOST_BYTES = 10_000, 2 * 10**9
"""Of one sending. A zip that needs no longer numbers in it holds both."""

FEWEST = 2
_START_KEPT = 40  # characters of a name that is too long; its end says what kind of file it is
_BY_SHELL = "For more, give the folder to “python -m explain collect” on the machine that has it."


@dataclass(frozen=True)
class Sending:
    """Pictures that are to be sent.

    Attributes:
        files: those that are taken for pictures.
        passed: how many others lie beside them.
    """

    files: tuple[GivenFile, ...]
    passed: int = 0


def list_sending(given: Sequence[tuple[str, bytes]]) -> Sending:
    """What is taken for pictures in files and in zips of files that a person dropped. None of them is opened yet.

    Args:
        given: path and bytes of each.

    Raises:
        DataSetError: a zip is damaged, encrypted or climbs out of its folder; or nothing is there, or too much.
    """
    found = [file for one in given for file in list_files(*one)]
    chosen = choose_pictures([file.parts for file in found])
    if len(chosen) < FEWEST:
        many = "There is one file only" if chosen else "There is no file"
        raise DataSetError(f"{many} in what was given. A collection is of {FEWEST} pictures or more.")
    if len(chosen) > MOST_PICTURES:
        raise DataSetError(f"These are {len(chosen):,} files; at most {MOST_PICTURES:,} can be sent. {_BY_SHELL}")
    return Sending(tuple(found[number] for number in chosen), len(found) - len(chosen))


def pack(sending: Sending, names: Names, path: Path, watch: Watch) -> None:
    """Put the files into one zip, as they are. Names that are hidden become numbers, with no folders before them.

    Args:
        sending: what is packed.
        names: whose are hidden.
        path: of the zip, which is written whole or not at all.
        watch: told how far it is; may stop it.

    Raises:
        DataSetError: no two of them can be read as pictures, or they are too large together.
        StorageError: the disk is full or cannot be written.
        Cancelled: it was stopped.
    """
    taken: set[str] = set()
    size, readable, reason = 0, 0, ""
    with open_atomically(path) as sink, zipfile.ZipFile(sink, "w", allowZip64=False) as archive:
        for number, file in enumerate(sending.files, 1):
            watch.stop_if_cancelled()
            watch.report(number / len(sending.files), f"Putting picture {number:,} of {len(sending.files):,} aside")
            try:
                data = file.read()
            except UnreadableFile as error:
                reason = reason or str(error)
                continue
            if readable < FEWEST:  # the others are opened where they are explained
                reason, readable = _try(data, reason, readable)
            size += len(data)
            if size > MOST_BYTES:
                raise DataSetError(f"These pictures take more than {MOST_BYTES // 10**9} GB together. {_BY_SHELL}")
            name = _find_free(_call(file, number, data, names), taken)
            taken.add(name)
            archive.writestr(name, data)
        if readable < FEWEST:
            count = f"Of these {len(sending.files):,} files {'one alone' if readable else 'none'}"
            raise DataSetError(f"{count} can be read as a picture. {reason}".strip())


def _try(data: bytes, reason: str, readable: int) -> tuple[str, int]:
    """Whether these bytes are a picture: the first reason why any is not, and how many are."""
    try:
        decode(data, "It")
    except PictureError as error:
        return reason or str(error).removeprefix("“It”: "), readable
    return reason, readable + 1


def _call(file: GivenFile, number: int, data: bytes, names: Names) -> str:
    """The name of a file in the zip: that of a picture, inside the zip, and no patient's."""
    path = "/".join(file.parts)
    if hides_name(Item(path, 0, len(data)), names, data):
        parts = [f"Picture {number} · {hashlib.sha256(data).hexdigest()[:6]}"]
        ending = ".dcm" if names == "auto" else ".png"
    else:
        safe = (part.lstrip(".").replace(":", "_") or "_" for part in file.parts)
        parts = [make_printable(part, LONGEST_NAME, _START_KEPT) for part in safe]
        ending = ".png"
    named = GivenFile(tuple(parts), bytes).looks_like_picture
    return "/".join(parts) + ("" if named else ending)


def _find_free(name: str, taken: set[str]) -> str:
    """The name, with a number where another file has it."""
    stem, dot, ending = name.rpartition(".")
    number = 1
    while name in taken:
        number += 1
        name = f"{stem} ({number}){dot}{ending}"
    return name
