"""From files, folders and zips to the series in them: what is there is listed first, and read when it is asked for.

Files are known by numbers, in the order in which they were given, and never by their names, which may be a patient's.
Nothing is written to the disk.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from explain.bundled.models import EXAMPLE_VOLUMES
from explain.datasets.archive import Budget, check_entry, open_zip, read_entry
from explain.datasets.given import UnreadableFile, is_junk, walk_folder
from explain.errors import DataSetError, PictureError
from explain.pictures.decode import decode
from explain.pictures.dicom import is_dicom
from explain.pictures.foreign import name_foreign
from explain.pictures.picture import Picture
from explain.progress import Watch
from explain.rights import need
from explain.storage import expand_home
from explain.volumes.bounds import MOST_BYTES, MOST_FILES, say_too_many_bytes, say_too_many_files
from explain.volumes.header import SEGMENTATION, Frame, NoScan, list_frames, read_header
from explain.volumes.labels import ALONE, Labels, find_turn, give_affine
from explain.volumes.loading import add_areas, find_digest, guard, load_nifti, load_stack
from explain.volumes.nifti import NiftiHeader, is_nifti, show_as
from explain.volumes.nifti import read_header as read_nifti_header
from explain.volumes.series import Stack, build_stacks
from explain.volumes.structures import Segmentation, read_segmentation
from explain.volumes.volume import Volume

Given = Path | bytes | Callable[[], bytes]
"""A file, a folder or a zip: where it is, what is in it, or what reads it."""

_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_ZIPPED = "The zip"
_FIRST_BYTES = 512


@dataclass(frozen=True, eq=False)
class Series:
    """A series that was found, and not read yet.

    Attributes:
        name: `CT, 140 slices`: nothing of the patient.
        modality: the kind of machine; `OT` if unsaid.
        body_part: one of the standard's words, in small letters; empty where unsaid.
        shape: slices, missing ones too, rows and columns, as they are shown at first.
        missing: how many of the slices are missing.
        digests: of its volumes; see `Volume`.
        notes: sentences on how its slices were ordered.
    """

    name: str
    modality: str
    body_part: str
    shape: tuple[int, int, int]
    missing: int
    digests: tuple[str, ...]
    notes: tuple[str, ...]
    _open: Callable[[int, Watch], Volume] = field(repr=False)

    def open(self, watch: Watch | None = None, volume: int = 0) -> Volume:
        """Read its numbers.

        Args:
            watch: told how far it is; may stop it.
            volume: which one, of a file of several, from 0.

        Raises:
            PictureError: it is too large, or nothing of it can be read.
            Cancelled: it was stopped.
        """
        return self._open(volume, watch or Watch())


@dataclass(frozen=True, eq=False)
class SinglePicture:
    """A picture that belongs to no series: a survey image, a radiograph, a page of results.

    Attributes:
        name: `CT, one picture`: nothing of the patient.
        modality: the kind of machine.
        is_survey: whether slices were planned on it.
    """

    name: str
    modality: str
    is_survey: bool
    _open: Callable[[], Picture] = field(repr=False)

    def open(self) -> Picture:
        """Decode it.

        Raises:
            PictureError: it cannot be.
        """
        return self._open()


@dataclass(frozen=True, eq=False)
class Found:
    """What is in files that were given.

    Attributes:
        series: the largest first.
        pictures: DICOM pictures that belong to none.
        problems: sentences on what could not be read.
        others: how many files are neither DICOM nor NIfTI nor a zip.
    """

    series: tuple[Series, ...]
    pictures: tuple[SinglePicture, ...]
    problems: tuple[str, ...]
    others: int


def read_volumes(files: Sequence[Given], watch: Watch | None = None) -> Found:
    """List the series in files, folders and zips. Headers are read, pixels only when a series is opened.

    Args:
        files: in any order; what they are is told by their bytes. They must stay where they are until then.
        watch: told how far it is; may stop it.

    Raises:
        PictureError: they are too many or too large, or a zip cannot be trusted.
        Cancelled: it was stopped.
        RightsError: whoever acts may open no scans. The example that ships is everybody's.
    """
    if not _is_example(files):
        need("scans")
    return _Listing(watch or Watch()).take(files)


def _is_example(files: Sequence[Given]) -> bool:
    """Whether all of them are files of the drawn volume that ships, told by their bytes."""
    known = _read_examples()
    return bool(files) and all(isinstance(given, bytes) and hashlib.sha256(given).digest() in known for given in files)


@cache
def _read_examples() -> frozenset[bytes]:
    return frozenset(hashlib.sha256(path.read_bytes()).digest() for path in EXAMPLE_VOLUMES.values())


class _Listing:
    """What has been found so far."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.sources: list[Callable[[], bytes]] = []
        self.frames: list[Frame] = []
        self.segmentations: list[Segmentation] = []
        self.nifti: list[tuple[int, NiftiHeader, str]] = []
        self.problems: list[str] = []
        self.others: list[bytes] = []
        self.seen: set[str] = set()
        self.twice = 0
        self.bytes = 0
        self.budgets: list[Budget] = []

    def take(self, files: Sequence[Given]) -> Found:
        for given in files:
            if isinstance(given, Path) and expand_home(given).is_dir():
                for path, parts in walk_folder(expand_home(given)):
                    if not is_junk(parts):
                        self._add(partial(_read_path, path))
            elif isinstance(given, Path):
                self._add_file_or_zip(partial(_read_path, expand_home(given)))
            else:
                self._add_file_or_zip(partial(bytes, given) if isinstance(given, bytes) else given)
        for number in range(len(self.sources)):
            self.watch.stop_if_cancelled()
            self.watch.report(number / len(self.sources), f"Looking at file {number + 1:,} of {len(self.sources):,}")
            self._look_at(number)
        for budget in self.budgets:
            budget.close()
        return self._gather()

    def _add(self, read: Callable[[], bytes]) -> None:
        self.sources.append(read)
        if len(self.sources) > MOST_FILES:
            raise PictureError(say_too_many_files())

    def _add_file_or_zip(self, read: Callable[[], bytes]) -> None:
        try:
            data = read()
        except PictureError:
            self._add(read)  # it is said when it is looked at
            return
        if not data.startswith((_ZIP, _EMPTY_ZIP)):
            self._add(read)
            return
        inside, budget = _open_zip(data)
        self.budgets.append(budget)
        for read_one in inside:
            self._add(read_one)

    def _look_at(self, number: int) -> None:
        try:
            data = self.sources[number]()
            self.bytes += len(data)
            if self.bytes > MOST_BYTES:
                raise _TooMuch(say_too_many_bytes())
            digest = hashlib.sha256(data).hexdigest()
            if digest in self.seen:
                self.twice += 1
                return
            self.seen.add(digest)
            self._read_header(number, data, digest)
        except _TooMuch as error:
            raise PictureError(str(error)) from None
        except NoScan as reason:
            if str(reason):
                self.problems.append(f"{self._call(number)} was left out. {reason}")
        except PictureError as error:
            self.problems.append(f"{self._call(number)} cannot be read. {error}")

    def _call(self, number: int) -> str:
        return "The file" if len(self.sources) == 1 else f"File {number + 1:,} of {len(self.sources):,}"

    def _read_header(self, number: int, data: bytes, digest: str) -> None:
        if is_dicom(data):
            dataset = read_header(data)
            if str(dataset.get("SOPClassUID")) == SEGMENTATION:
                self.segmentations.append(guard(lambda: read_segmentation(dataset, number, digest)))
            else:
                self.frames += guard(lambda: list(list_frames(dataset, number, digest)))
        elif is_nifti(data):
            self.nifti.append((number, read_nifti_header(data), digest))
        elif data.startswith(_ZIP):
            raise PictureError("It is a zip inside of another, which is not opened. Unpack the outer one first.")
        else:
            self.others.append(data[:_FIRST_BYTES])

    def _gather(self) -> Found:
        stacks, alone = build_stacks(self.frames)
        scans = [entry for entry in self.nifti if not entry[1].is_labels]
        labels = [entry for entry in self.nifti if entry[1].is_labels]
        taken: set[int] = set()
        series = [self._list_stack(stack, _find_labels(labels, *_place(stack), taken)) for stack in stacks]
        for number, header, digest in scans:
            at_home = _find_labels(labels, give_affine(header), header.shape[2::-1], taken)
            series.append(self._list_nifti(number, header, digest, at_home))
        for number, header, digest in labels:
            if number not in taken:
                noted = replace(header, notes=(*header.notes, ALONE))
                series.append(self._list_nifti(number, noted, digest))
        series.sort(key=lambda one: (one.shape[0], one.shape[1] * one.shape[2], one.digests), reverse=True)
        homeless = [one for one in self.segmentations if not any(_belongs(one, stack) for stack in stacks)]
        self.problems += ["Outlines (SEG) belong to a series that is not among the files."] * len(homeless)
        by_file = {frame.source: frame for frame in alone}
        pictures = [self._list_picture(frame) for frame in by_file.values()]
        if not series and not pictures and not self.problems:
            said = name_foreign(self.others[0]) if len(self.others) == 1 else "The files hold no scans."
            self.problems.append(said if self.others else "There are no files in it. Choose another one.")
        if self.twice:
            self.problems.append(f"{self.twice:,} of the files are copies of others: each counts once.")
        return Found(tuple(series), tuple(pictures), tuple(self.problems), len(self.others))

    def _list_stack(self, stack: Stack, labels: Sequence[Labels] = ()) -> Series:
        first = stack.there[0]
        count = len(stack.frames)
        name = _name(first, f"{count} {'frames' if first.count > 1 and stack.geometry is None else 'slices'}")
        segmentations = [one for one in self.segmentations if _belongs(one, stack)]

        def open_it(volume: int, watch: Watch) -> Volume:
            return add_areas(load_stack(stack, name, self._read, segmentations, watch), labels, self._read, watch)

        digest = find_digest([(frame.digest, frame.index) for frame in stack.there])
        missing = count - len(stack.there)
        return Series(
            name, first.modality, first.body_part, (count, *first.size), missing, (digest,), stack.notes, open_it
        )

    def _list_nifti(self, number: int, header: NiftiHeader, digest: str, labels: Sequence[Labels] = ()) -> Series:
        slices, rows, columns = show_as(header).count(header.shape[2::-1])
        volumes = header.shape[3]
        several = f", {volumes} volumes" if volumes > 1 else ""
        name = f"Volume, {slices} {'slice' if slices == 1 else 'slices'}{several}"

        def open_it(volume: int, watch: Watch) -> Volume:
            watch.report(0.0, "Reading the volume")
            loaded = load_nifti(self._read(number), header, name, digest, volume, watch)
            return add_areas(loaded, labels, self._read, watch)

        found = tuple(find_digest([(digest, volume)]) for volume in range(volumes))
        return Series(name, "OT", "", (slices, rows, columns), 0, found, header.notes, open_it)

    def _list_picture(self, frame: Frame) -> SinglePicture:
        name = _name(frame, "survey image" if frame.is_survey else "one picture")

        def open_it() -> Picture:
            return decode(self._read(frame.source), name)

        return SinglePicture(name, frame.modality, frame.is_survey, open_it)

    def _read(self, number: int) -> bytes:
        return self.sources[number]()


class _TooMuch(Exception):
    """Not one file is refused but all of them, for the reason given."""


def _name(frame: Frame, what: str) -> str:
    machine = "Scan" if frame.modality == "OT" else frame.modality
    return f"{machine}, {what}"


def _place(stack: Stack) -> tuple[np.ndarray | None, tuple[int, ...]]:
    """Where the voxels of a stack lie, and its shape."""
    affine = None if stack.geometry is None else stack.geometry.affine
    return affine, (len(stack.frames), *stack.there[0].size)


def _find_labels(
    labels: Sequence[tuple[int, NiftiHeader, str]], affine: np.ndarray | None, shape: Sequence[int], taken: set[int]
) -> list[Labels]:
    """The files of labels that lie on a scan voxel by voxel; their numbers are added to those taken."""
    found = []
    for number, header, _ in labels:
        view = find_turn(header, affine, shape)
        if view is not None:
            found.append(Labels(number, header, view))
            taken.add(number)
    return found


def _belongs(segmentation: Segmentation, stack: Stack) -> bool:
    frame = stack.there[0]
    if segmentation.series:
        return frame.series == segmentation.series
    return bool(frame.reference) and frame.reference == segmentation.reference


def _read_path(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise PictureError(say_too_many_bytes())
        return path.read_bytes()
    except OSError as error:
        raise PictureError(
            f"It is not there any more, or may not be read ({error.strerror or 'no reason given'})."
        ) from None


def _open_zip(data: bytes) -> tuple[list[Callable[[], bytes]], Budget]:
    """What reads each file of a zip, and how much may still be unpacked of it."""
    try:
        archive, entries = open_zip(io.BytesIO(data), _ZIPPED)
        budget = Budget(_ZIPPED, MOST_BYTES, MOST_BYTES, hides_names=True)
        inside: list[Callable[[], bytes]] = []
        for entry in entries:
            parts = check_entry(entry, budget)
            if parts and not entry.is_dir() and not is_junk(parts):
                inside.append(partial(_read_entry, archive, entry, budget))
        return inside, budget
    except DataSetError as error:
        raise PictureError(_say_of_zip(error)) from None


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: Budget) -> bytes:
    """A file of a zip. Its sum is checked while it is unpacked, and so is how much comes out of it."""
    try:
        return read_entry(archive, entry, budget)
    except UnreadableFile as error:
        raise PictureError(str(error)) from None
    except DataSetError as error:
        raise _TooMuch(say_too_many_bytes() if budget.left < 0 else _say_of_zip(error)) from None


def _say_of_zip(error: DataSetError) -> str:
    return str(error).replace(f"“{_ZIPPED}”", _ZIPPED)
