"""A set of pictures in classes, read from a folder or a zip that nobody vouches for.

Pictures are known by the SHA-256 of their bytes. Names and paths are read to tell the classes apart and are shown; none
of them ever becomes a path on this computer.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import struct
import threading
import unicodedata
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from explain.errors import Cancelled, DataSetError, PictureError, StorageError
from explain.picture import MAX_BYTES, decode
from explain.storage import write_atomically

Split = Literal["train", "val"]
Progress = Callable[[float, str], None]
"""Called with the share done, 0…1, and what is being done."""

MOST_FILES = 100_000
"""The most files of a set."""

MOST_CLASSES = 1_000

MOST_UNPACKED = 4 * 2**30
"""The most bytes that a zip may unpack to, counted while unpacking."""

VALIDATION_SHARE = 0.2
"""Of each class, where the set has no validation pictures of its own."""

_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "val",
}
_PICTURES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".dcm", ".dicom"),
    *(".heic", ".avif"),  # which cannot be read: whoever has them should learn that
)
_JUNK = ("__macosx", "thumbs.db", "desktop.ini", "$recycle.bin")

# Deflate packs at most 1,032 to 1. Pictures are packed already: a white page as BMP comes near that, and is small.
_MOST_RATIO = 100
_ANY_RATIO_BELOW = 16 * 2**20
_CHUNK = 2**20
_MOST_DIRECTORY_BYTES = 32 * 2**20
_LONGEST_LABEL = 200
_LONGEST_NAME = 120
_MOST_LISTED = 5
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
        """The file as it was given, for `explain.picture.decode`.

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


class _Unreadable(Exception):
    """One file cannot be had, for the reason given; the others can."""


@dataclass(frozen=True)
class _File:
    """A file that was given.

    Attributes:
        parts: its path, from which hidden files and the like have been weeded out.
        read: gives its bytes; raises `_Unreadable`.
    """

    parts: tuple[str, ...]
    read: Callable[[], bytes]

    @property
    def path(self) -> str:
        return _make_printable("/".join(self.parts), 2 * _LONGEST_NAME)

    @property
    def looks_like_picture(self) -> bool:
        return self.parts[-1].lower().endswith(_PICTURES)


@dataclass(frozen=True)
class _Placed:
    """A file with the class, and the split where the set has splits, that its folders say."""

    file: _File
    label: str
    split: Split | None


def _ignore(share: float, text: str) -> None:
    """Report to nobody."""


def read_folder(folder: Path, progress: Progress = _ignore, cancel: threading.Event | None = None) -> DataSet:
    """Read `class/picture`, or `train/class/picture` with `val/class/picture`, from a folder of this computer.

    Args:
        folder: links in it are followed.
        progress: told how far it is.
        cancel: set to stop.

    Raises:
        DataSetError: it is no folder, or no set that can be trained on.
        Cancelled: it was stopped.
    """
    if not folder.is_dir():
        raise DataSetError(f"{folder} is no folder. Name a folder with a folder of pictures for each class.")
    files = [_File(parts, partial(_read_path, path)) for path, parts in _walk(folder) if not _is_junk(parts)]
    return _gather(files, folder.name or str(folder), progress, cancel)


def read_files(
    files: Iterable[tuple[str, bytes | Callable[[], bytes]]],
    name: str,
    progress: Progress = _ignore,
    cancel: threading.Event | None = None,
) -> DataSet:
    """As `read_folder`, from paths with slashes and the bytes of each file, such as an uploaded folder.

    Args:
        files: path in the folder, and bytes or what reads them.
        name: what the person calls the folder.
        progress: told how far it is.
        cancel: set to stop.

    Raises:
        DataSetError: it is no set that can be trained on.
        Cancelled: it was stopped.
    """
    found = []
    for path, content in files:
        parts = _split_path(path)
        if parts and not _is_junk(parts):
            found.append(_File(parts, partial(_read_given, content)))
    return _gather(found, name, progress, cancel)


def read_zip(
    data: bytes | BinaryIO, name: str, progress: Progress = _ignore, cancel: threading.Event | None = None
) -> DataSet:
    """As `read_folder`, from a zip. Nothing is unpacked to the disk; what is unpacked to memory is bounded.

    Args:
        data: the zip, which the examples read from when they are asked for their bytes.
        name: what the person calls it.
        progress: told how far it is.
        cancel: set to stop.

    Raises:
        DataSetError: it is no zip, is encrypted, climbs out of its folder, unpacks to too much, or is no set that can
            be trained on.
        Cancelled: it was stopped.
    """
    shown = _make_printable(name, _LONGEST_NAME)
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    archive, entries = _open_zip(stream, shown)
    budget = _Budget(shown)
    files = []
    for entry in entries:
        parts = _check_entry(entry, shown)
        if not entry.is_dir() and parts and not _is_junk(parts):
            files.append(_File(parts, partial(_read_entry, archive, entry, budget)))
    dataset = _gather(files, shown, progress, cancel)
    budget.close()
    return dataset


def _gather(files: Sequence[_File], name: str, progress: Progress, cancel: threading.Event | None) -> DataSet:
    """Decode every file once, leave out what cannot be used, and split."""
    if len(files) > MOST_FILES:
        raise DataSetError(f"“{name}” holds more than {MOST_FILES:,} files. Leave some out.")
    placed, skipped = _arrange(files, name)
    seen: dict[str, list[_Placed]] = defaultdict(list)
    broken: dict[str, str] = {}
    for number, one in enumerate(placed):
        if cancel is not None and cancel.is_set():
            raise Cancelled("Reading the pictures was stopped.")
        progress(number / len(placed), f"Reading picture {number + 1:,} of {len(placed):,}")
        try:
            data = one.file.read()
            digest = hashlib.sha256(data).hexdigest()
            if digest in broken:
                raise _Unreadable(broken[digest])
            if digest not in seen:
                try:
                    decode(data, "")
                except PictureError as error:
                    # The name is said beside it.
                    broken[digest] = str(error).removeprefix("“”: ")
                    raise _Unreadable(broken[digest]) from None
            seen[digest].append(one)
        except _Unreadable as error:
            skipped.append(Skipped(one.file.path, str(error)))
    kept: list[tuple[str, _Placed]] = []
    for digest, same in seen.items():
        labels = sorted({one.label for one in same})
        if len(labels) > 1:
            named = " and ".join(f"“{label}”" for label in labels)
            reason = f"The same picture is in {named}: it can teach neither, so all its copies are left out."
            skipped += [Skipped(one.file.path, reason) for one in same]
            continue
        kept.append((digest, same[0]))
        skipped += [Skipped(one.file.path, f"The same picture as {same[0].file.path}.") for one in same[1:]]
    wanted = {one.label for one in placed if one.file.looks_like_picture} | {one.label for _, one in kept}
    labels_in_order = _check_classes(wanted, [one for _, one in kept], name, skipped)
    progress(1.0, "All pictures are read")
    return DataSet(labels_in_order, tuple(_split(kept, labels_in_order)), tuple(skipped))


def _arrange(files: Sequence[_File], name: str) -> tuple[list[_Placed], list[Skipped]]:
    """Tell classes and splits from the folders' names.

    A folder round everything is passed over. Where there is a `train` folder with class folders, the others are `val`,
    `valid` or `test`; where there is none, every folder is a class, with all that is below it.
    """
    files = _unwrap(sorted(files, key=lambda file: file.parts))
    if not any(file.looks_like_picture for file in files) and all(len(file.parts) < 2 for file in files):
        raise DataSetError(f"“{name}” holds no pictures. Give a folder of pictures for each class.")
    skipped: list[Skipped] = []
    placed: list[_Placed] = []
    has_splits = any(len(file.parts) > 2 and _SPLITS.get(file.parts[0].lower()) == "train" for file in files)
    for file in files:
        inside = file.parts[1:] if has_splits else file.parts
        if has_splits and file.parts[0].lower() not in _SPLITS:
            reason = "It is beside the train and val folders, not in one of them."
        elif len(inside) < 2:
            reason = "It is in no class's folder."
        else:
            split = _SPLITS[file.parts[0].lower()] if has_splits else None
            placed.append(_Placed(file, _read_label(inside[0]), split))
            continue
        if file.looks_like_picture:
            skipped.append(Skipped(file.path, reason))
    folders = {file.parts[0].lower() for file in files if len(file.parts) > 1}
    if not placed or (not has_splits and len(folders) > 1 and folders <= _SPLITS.keys()):
        raise DataSetError(
            f"“{name}” has no folder for each class. Put the pictures of each class into a folder of its own, which "
            "has the class's name."
        )
    if has_splits:
        taught = {one.label for one in placed if one.split == "train"}
        unknown = [one for one in placed if one.label not in taught]
        skipped += [
            Skipped(one.file.path, f"There is no class “{one.label}” in the train folder.")
            for one in unknown
            if one.file.looks_like_picture
        ]
        placed = [one for one in placed if one.label in taught]
    return placed, skipped


def _unwrap(files: list[_File]) -> list[_File]:
    """Take off a folder that is round everything else, such as a zip of one folder has."""
    while True:
        inside = [file for file in files if len(file.parts) > 1]
        outer = {file.parts[0] for file in inside}
        second = {file.parts[1] for file in inside if len(file.parts) > 2}
        if len(outer) != 1 or outer.pop().lower() in _SPLITS:
            return files
        holds_folders = len(second) > 1 or any(part.lower() in _SPLITS for part in second)
        if not holds_folders and not all(len(file.parts) > 2 for file in inside):
            return files
        beside = [file for file in files if len(file.parts) == 1]
        files = [*beside, *(_File(file.parts[1:], file.read) for file in inside)]


def _check_classes(wanted: set[str], kept: Sequence[_Placed], name: str, skipped: Sequence[Skipped]) -> tuple[str, ...]:
    """The labels in order, where there are enough classes and each has enough pictures."""
    labels = tuple(sorted(wanted, key=lambda label: (label.casefold(), label)))
    why = f" The first of {len(skipped):,} left out: {skipped[0].name}. {skipped[0].reason}" if skipped else ""
    if not kept:
        raise DataSetError(f"“{name}” holds no picture that can be used.{why}")
    if len(labels) < 2:
        raise DataSetError(
            f"“{name}” has one class only, “{labels[0]}”. Prompts learn what tells classes apart: give at least two."
        )
    if len(labels) > MOST_CLASSES:
        raise DataSetError(
            f"“{name}” has {len(labels):,} classes: at most {MOST_CLASSES:,} can be taught. Leave some out."
        )
    counts = Counter(one.label for one in kept)
    trained = {one.label for one in kept if one.split != "val"}
    poor = [label for label in labels if counts[label] < 2 or label not in trained]
    if poor:
        named = ", ".join(
            f"“{label}” ({counts[label]}{'' if label in trained or not counts[label] else ', none to train on'})"
            for label in poor[:_MOST_LISTED]
        )
        more = f" and {len(poor) - _MOST_LISTED:,} more" if len(poor) > _MOST_LISTED else ""
        raise DataSetError(
            f"Too few pictures that can be used in {named}{more}: each class needs at least 2, one to train on and one "
            f"to check with. Add some or remove the folder.{why}"
        )
    return labels


def _split(kept: Sequence[tuple[str, _Placed]], labels: Sequence[str]) -> Iterator[Example]:
    """Examples by class. A class without validation pictures of its own gives some, the first by digest.

    A digest is as good as a draw, and the same on every computer, whatever the files are called.
    """
    by_label: dict[str, list[tuple[str, _Placed]]] = defaultdict(list)
    for digest, one in kept:
        by_label[one.label].append((digest, one))
    for index, label in enumerate(labels):
        members = sorted(by_label[label], key=lambda member: member[0])
        given = any(one.split == "val" for _, one in members)
        count = min(max(round(VALIDATION_SHARE * len(members)), 1), len(members) - 1)
        for place, (digest, one) in enumerate(members):
            drawn: Split = "val" if place < count else "train"
            split = one.split if given and one.split is not None else drawn
            shown = _make_printable(one.file.parts[-1], _LONGEST_NAME)
            yield Example(shown, digest, index, split, partial(_read_again, one.file, shown))


def _split_path(path: str) -> tuple[str, ...]:
    """Folders and file name. Zips of old Windows programs have backslashes."""
    return tuple(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))


def _is_junk(parts: Sequence[str]) -> bool:
    """Hidden files, and what operating systems leave behind."""
    return any(part.startswith(".") or part.lower() in _JUNK for part in parts)


def _read_label(folder: str) -> str:
    # One name may come as composed and as decomposed Unicode, from two computers.
    label = unicodedata.normalize("NFC", folder).strip()
    if not label or not label.isprintable() or len(label) > _LONGEST_LABEL:
        raise DataSetError(
            f"The folder “{_make_printable(folder, _LONGEST_NAME)}” cannot be a class: its name is no plain text of at "
            f"most {_LONGEST_LABEL} characters. Rename it."
        )
    return label


def _make_printable(text: str, longest: int) -> str:
    printable = "".join(character if character.isprintable() else "�" for character in text)
    return printable if len(printable) <= longest else "…" + printable[-longest + 1 :]


def _walk(folder: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Every ordinary file below a folder, with its path from there; a folder reached twice by links is entered once."""
    entered: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        here = os.stat(place)
        if (here.st_dev, here.st_ino) in entered:
            folders.clear()
            continue
        entered.add((here.st_dev, here.st_ino))
        folders[:] = sorted(name for name in folders if not _is_junk([name]))
        for name in names:
            path = Path(place, name)
            if path.is_file():
                yield path, path.relative_to(folder).parts


def _read_path(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _Unreadable(_say_too_large())
        return path.read_bytes()
    except OSError as error:
        raise _Unreadable(f"The file cannot be read ({error.strerror or error}).") from None


def _read_given(content: bytes | Callable[[], bytes]) -> bytes:
    data = content if isinstance(content, bytes) else content()
    if len(data) > MAX_BYTES:
        raise _Unreadable(_say_too_large())
    return data


def _read_again(file: _File, name: str) -> bytes:
    try:
        return file.read()
    except _Unreadable as error:
        raise DataSetError(f"“{name}” cannot be read any more. {error}") from None


def _read_kept(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"“{name}” cannot be read any more ({error.strerror or error}).") from None


def _say_too_large() -> str:
    return f"It is larger than {MAX_BYTES // 1_000_000} MB."


class _Budget:
    """How much more may be unpacked. Closed once everything was seen: what fitted then will fit again."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.left = MOST_UNPACKED
        self._is_open = True

    def close(self) -> None:
        self._is_open = False

    def spend(self, count: int) -> None:
        if not self._is_open:
            return
        self.left -= count
        if self.left < 0:
            raise DataSetError(
                f"“{self.name}” unpacks to more than {MOST_UNPACKED // 2**30} GB. Use smaller pictures, or fewer."
            )


def _open_zip(stream: BinaryIO, name: str) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
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


def _check_entry(entry: zipfile.ZipInfo, name: str) -> tuple[str, ...]:
    """The entry's path, where it stays inside the zip's own folder and can be read."""
    path = entry.filename.replace("\\", "/")
    shown = _make_printable(entry.filename, _LONGEST_NAME)
    if path.startswith("/") or re.match("[A-Za-z]:", path) or ".." in path.split("/"):
        raise DataSetError(
            f"“{name}” was not opened: “{shown}” in it points outside the folder it belongs to. Pack the folder again."
        )
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise DataSetError(
            f"“{name}” was not opened: “{shown}” in it is a link to another file. Pack the pictures themselves."
        )
    if entry.flag_bits & 1:
        raise DataSetError(f"“{name}” is encrypted. Pack the folder again without a password.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataSetError(f"“{name}” is packed in a rare way. Pack the folder again as an ordinary zip.")
    return _split_path(path)


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: _Budget) -> bytes:
    """Unpack a file in small steps; the sizes that its header claims are not relied on."""
    chunks: list[bytes] = []
    unpacked = 0
    try:
        with archive.open(entry) as stream:
            while chunk := stream.read(_CHUNK):
                unpacked += len(chunk)
                budget.spend(len(chunk))
                if unpacked > _ANY_RATIO_BELOW and unpacked > _MOST_RATIO * entry.compress_size:
                    shown = _make_printable(entry.filename, _LONGEST_NAME)
                    raise DataSetError(
                        f"“{budget.name}” was not opened: “{shown}” in it unpacks to more than {_MOST_RATIO} times its "
                        "size, as a zip bomb does. Pack pictures saved as JPEG or PNG."
                    )
                if unpacked > MAX_BYTES:
                    raise _Unreadable(_say_too_large())
                chunks.append(chunk)
    except DataSetError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError):
        raise _Unreadable("It is damaged in the zip.") from None
    return b"".join(chunks)
