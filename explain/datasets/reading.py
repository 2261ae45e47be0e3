"""From files to classes and splits, by the names of their folders."""

from __future__ import annotations

import hashlib
import io
import threading
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from explain.datasets.archive import Budget, check_entry, open_zip, read_entry
from explain.datasets.dataset import SHARE_ASIDE, DataSet, Example, Skipped, Split, describe_skipped
from explain.datasets.given import (
    LONGEST_NAME,
    MOST_FILES,
    GivenFile,
    UnreadableFile,
    is_junk,
    read_again,
    read_given,
    read_path,
    split_path,
    walk_folder,
)
from explain.errors import Cancelled, DataSetError, PictureError, make_printable
from explain.pictures.decode import decode
from explain.progress import Progress

MOST_CLASSES = 1_000

TOGETHER = "all pictures"
"""The one class of pictures whose folders name none."""

_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "val",
}
_LONGEST_LABEL = 200
_MOST_LISTED = 5


@dataclass(frozen=True)
class _Placed:
    """A file with the class, and the split where the set has splits, that its folders say."""

    file: GivenFile
    label: str
    split: Split | None


def _ignore(share: float, text: str) -> None:
    """Report to nobody."""


def read_folder(
    folder: Path, progress: Progress = _ignore, cancel: threading.Event | None = None, by_class: bool = True
) -> DataSet:
    """Read `class/picture`, or `train/class/picture` with `val/class/picture`, from a folder of this computer.

    Args:
        folder: links in it are followed.
        progress: told how far it is.
        cancel: set to stop.
        by_class: whether its folders name classes. If not, all pictures are taken together, wherever they lie.

    Raises:
        DataSetError: it is no folder, or no set that can be trained on.
        Cancelled: it was stopped.
    """
    if not folder.is_dir():
        raise DataSetError(f"{folder} is no folder. Name a folder with a folder of pictures for each class.")
    files = [GivenFile(parts, partial(read_path, path)) for path, parts in walk_folder(folder) if not is_junk(parts)]
    return _gather(files, folder.name or str(folder), progress, cancel, by_class)


def read_files(
    files: Iterable[tuple[str, bytes | Callable[[], bytes]]],
    name: str,
    progress: Progress = _ignore,
    cancel: threading.Event | None = None,
    by_class: bool = True,
) -> DataSet:
    """As `read_folder`, from paths with slashes and the bytes of each file, such as an uploaded folder.

    Args:
        files: path in the folder, and bytes or what reads them.
        name: what the person calls the folder.
        progress: told how far it is.
        cancel: set to stop.
        by_class: see `read_folder`.

    Raises:
        DataSetError: it is no set that can be trained on.
        Cancelled: it was stopped.
    """
    found = []
    for path, content in files:
        parts = split_path(path)
        if parts and not is_junk(parts):
            found.append(GivenFile(parts, partial(read_given, content)))
    return _gather(found, name, progress, cancel, by_class)


def read_zip(
    data: bytes | BinaryIO,
    name: str,
    progress: Progress = _ignore,
    cancel: threading.Event | None = None,
    by_class: bool = True,
) -> DataSet:
    """As `read_folder`, from a zip. Nothing is unpacked to the disk; what is unpacked to memory is bounded.

    Args:
        data: the zip, which the examples read from when they are asked for their bytes.
        name: what the person calls it.
        progress: told how far it is.
        cancel: set to stop.
        by_class: see `read_folder`.

    Raises:
        DataSetError: it is no zip, is encrypted, climbs out of its folder, unpacks to too much, or is no set that can
            be trained on.
        Cancelled: it was stopped.
    """
    shown = make_printable(name, LONGEST_NAME)
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    archive, entries = open_zip(stream, shown)
    budget = Budget(shown)
    files = []
    for entry in entries:
        parts = check_entry(entry, budget)
        if parts and not entry.is_dir() and not is_junk(parts):
            files.append(GivenFile(parts, partial(read_entry, archive, entry, budget)))
    dataset = _gather(files, shown, progress, cancel, by_class)
    budget.close()
    return dataset


def _gather(
    files: Sequence[GivenFile], name: str, progress: Progress, cancel: threading.Event | None, by_class: bool
) -> DataSet:
    """Decode every file once, leave out what cannot be used, and split."""
    if len(files) > MOST_FILES:
        raise DataSetError(f"“{name}” holds more than {MOST_FILES:,} files. Leave some out.")
    placed, skipped = _arrange(files, name) if by_class else (_lay_together(files, name), [])
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
                raise UnreadableFile(broken[digest])
            if digest not in seen:
                try:
                    decode(data, "")
                except PictureError as error:
                    # The name is said beside it.
                    broken[digest] = str(error).removeprefix("“”: ")
                    raise UnreadableFile(broken[digest]) from None
            seen[digest].append(one)
        except UnreadableFile as error:
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
        skipped += [Skipped(one.file.path, f"The same picture as {same[0].file.path}.", True) for one in same[1:]]
    wanted = {one.label for one in placed if one.file.looks_like_picture} | {one.label for _, one in kept}
    labels_in_order = _check_classes(wanted, [one for _, one in kept], name, skipped)
    progress(1.0, "All pictures are read")
    divided = any(one.split == "val" for _, one in kept)
    return DataSet(labels_in_order, tuple(_split(kept, labels_in_order)), tuple(skipped), divided)


def _arrange(files: Sequence[GivenFile], name: str) -> tuple[list[_Placed], list[Skipped]]:
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


def _lay_together(files: Sequence[GivenFile], name: str) -> list[_Placed]:
    """All pictures in one class, wherever they lie."""
    placed = [_Placed(file, TOGETHER, None) for file in sorted(files, key=lambda file: file.parts)]
    if not any(one.file.looks_like_picture for one in placed):
        raise DataSetError(f"“{name}” holds no pictures. Give a folder or a zip of pictures.")
    return [one for one in placed if one.file.looks_like_picture]


def _unwrap(files: list[GivenFile]) -> list[GivenFile]:
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
        files = [*beside, *(GivenFile(file.parts[1:], file.read) for file in inside)]


def _check_classes(wanted: set[str], kept: Sequence[_Placed], name: str, skipped: Sequence[Skipped]) -> tuple[str, ...]:
    """The labels in order, where there are enough classes and each has enough pictures."""
    labels = tuple(sorted(wanted, key=lambda label: (label.casefold(), label)))
    first = next((one for one in skipped if not one.is_copy), skipped[0] if skipped else None)
    why = f" {describe_skipped(skipped)}. For instance {first.name}: {first.reason}" if first else ""
    if not kept:
        raise DataSetError(f"“{name}” holds no picture that can be used.{why}")
    if len(labels) < 2 and labels != (TOGETHER,):
        raise DataSetError(
            f"“{name}” has one class only, “{labels[0]}”. Prompts learn what tells classes apart: give at least two."
        )
    if labels == (TOGETHER,):
        if len(kept) < 2:
            raise DataSetError(f"“{name}” holds one picture only that can be used. Give more.{why}")
        return labels
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
        count = min(max(round(SHARE_ASIDE * len(members)), 1), len(members) - 1)
        for place, (digest, one) in enumerate(members):
            drawn: Split = "val" if place < count else "train"
            split = one.split if given and one.split is not None else drawn
            shown = make_printable(one.file.parts[-1], LONGEST_NAME)
            yield Example(shown, digest, index, split, partial(read_again, one.file, shown))


def _read_label(folder: str) -> str:
    # One name may come as composed and as decomposed Unicode, from two computers.
    label = unicodedata.normalize("NFC", folder).strip()
    if not label or not label.isprintable() or len(label) > _LONGEST_LABEL:
        raise DataSetError(
            f"The folder “{make_printable(folder, LONGEST_NAME)}” cannot be a class: its name is no plain text of at "
            f"most {_LONGEST_LABEL} characters. Rename it."
        )
    return label
