"""From a listed series to its numbers: every frame decoded, and a sentence for each that cannot be."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from pydicom.pixels import apply_color_lut, apply_modality_lut

from explain.errors import Cancelled, PictureError
from explain.pictures.dicom_frames import PIXELS, check_pixels, drop_unused_bits, open_dataset, read_frame
from explain.progress import Watch
from explain.volumes.bounds import check_voxels
from explain.volumes.header import Frame
from explain.volumes.labels import Labels, read_areas
from explain.volumes.linking import hide_identifier
from explain.volumes.nifti import NiftiHeader, find_best_plane, find_geometry, read_numbers
from explain.volumes.series import Stack
from explain.volumes.structures import Segmentation, place_regions
from explain.volumes.volume import Volume

_T = TypeVar("_T")

Read = Callable[[int], bytes]
"""Gives the bytes of a file by its number; raises `PictureError` where it is not there any more."""

_MOST_SAID = 4
_UNKNOWN_SIDES = "Left and right are not known: the files do not say how they lie in the patient."
_NAMED = "Text in the pictures may name the patient."
_PHOTOGRAPHED = ("US", "SC", "OT", "XC", "ES", "GM", "SM")
"""Machines that burn text into their pictures, and kinds that are copies of screens."""


def find_digest(members: Sequence[tuple[str, int]]) -> str:
    """The identity of a stack, by the digests of its files and which of their frames it holds, in any order."""
    return hashlib.sha256("\n".join(sorted(f"{digest} {index}" for digest, index in members)).encode()).hexdigest()


def load_stack(stack: Stack, name: str, read: Read, segmentations: Sequence[Segmentation], watch: Watch) -> Volume:
    """The volume of a stack of DICOM frames.

    Args:
        stack: the frames in their order.
        name: what to call it.
        read: gives its files.
        segmentations: whose outlines belong to it.
        watch: told how far it is.

    Raises:
        PictureError: it is too large, or none of its slices can be read.
        Cancelled: it was stopped.
    """
    first = stack.there[0]
    depth = len(stack.frames)
    shape = (depth, *first.size) if first.colours == 1 else (depth, *first.size, 3)
    check_voxels(shape, -(-first.bits // 8))
    numbers, problems = _read_all(stack, shape, read, watch)
    present = np.array([frame is not None and at in numbers for at, frame in enumerate(stack.frames)])
    if not numbers:
        raise PictureError(next(iter(problems.values()), "None of its slices can be read."))
    kind = np.result_type(*{one.dtype for one in numbers.values()})
    stored = guard(lambda: np.zeros(shape, kind))
    for at, one in numbers.items():
        stored[at] = one
    stored.setflags(write=False)
    frames = [frame or first for frame in stack.frames]
    notes = [*stack.notes, *_say_problems(problems)]
    if first.names_patient or first.modality in _PHOTOGRAPHED:
        notes.append(_NAMED)
    if stack.geometry is None:
        notes.append(_UNKNOWN_SIDES)
    regions = _read_regions(stack, segmentations, read, shape, notes)
    return Volume(
        name=name,
        stored=stored,
        slopes=np.array([frame.slope for frame in frames]),
        intercepts=np.array([frame.intercept for frame in frames]),
        present=present,
        digest=find_digest([(frame.digest, frame.index) for frame in stack.there]),
        modality=first.modality,
        unit=first.unit,
        geometry=stack.geometry,
        pitch=first.pitch,
        own_windows=tuple(frame.windows for frame in frames),
        inverted=np.array([frame.inverted for frame in frames]),
        padding=first.padding,
        bits=first.bits,
        notes=tuple(notes),
        seconds=first.seconds if stack.geometry is None else None,
        regions=regions,
        sides_unknown=_UNKNOWN_SIDES if stack.geometry is None else "",
        frame=hide_identifier(first.reference),
        read_original=lambda at: read((stack.frames[at] or first).source),
    )


def _read_all(
    stack: Stack, shape: tuple[int, ...], read: Read, watch: Watch
) -> tuple[dict[int, np.ndarray], dict[int, str]]:
    """By slice, the numbers of what can be read, and a sentence on what cannot; each file is opened once."""
    by_file: dict[int, list[tuple[int, Frame]]] = defaultdict(list)
    for at, frame in enumerate(stack.frames):
        if frame is not None:
            by_file[frame.source].append((at, frame))
    numbers: dict[int, np.ndarray] = {}
    problems: dict[int, str] = {}
    done = 0
    for source, wanted in by_file.items():
        try:
            dataset, frames = _open(read, source, wanted[0][1].digest)
        except PictureError as error:
            problems |= {at: str(error) for at, _ in wanted}
            done += len(wanted)
            continue
        for at, frame in wanted:
            watch.stop_if_cancelled()
            watch.report(done / len(stack.there), f"Reading slice {done + 1:,} of {len(stack.there):,}")
            done += 1
            try:
                numbers[at] = _read_slice(dataset, frame, frames, shape[1:])
            except PictureError as error:
                problems[at] = str(error)
    return numbers, problems


def _open(read: Read, source: int, digest: str) -> tuple[Any, int]:
    data = read(source)
    if hashlib.sha256(data).hexdigest() != digest:
        raise PictureError("Its file was changed while it was read. Open the series again.")
    return guard(lambda: _check(open_dataset(data, PIXELS)))


def _check(dataset: Any) -> tuple[Any, int]:
    return dataset, check_pixels(dataset)


def guard(act: Callable[[], _T]) -> _T:
    """What a DICOM reader gives, or a sentence without its own words, which may quote the patient's data."""
    try:
        return act()
    except (PictureError, Cancelled):
        raise
    except MemoryError:
        raise PictureError("There is not enough memory to read the series. Choose a smaller one.") from None
    except Exception:
        raise PictureError("The DICOM file is damaged or breaks the standard. Export it again.") from None


def _read_slice(dataset: Any, frame: Frame, frames: int, size: tuple[int, ...]) -> np.ndarray:
    def act() -> np.ndarray:
        stored = drop_unused_bits(dataset, read_frame(dataset, frame.index, frames))
        if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
            colours = apply_color_lut(stored, dataset)[..., :3]
            stored = (colours >> 8 * (colours.itemsize - 1)).astype(np.uint8)
        elif stored.ndim == 3 and stored.dtype != np.uint8:
            stored = (stored >> max(frame.bits - 8, 0)).astype(np.uint8)
        elif dataset.get("ModalityLUTSequence"):
            stored = apply_modality_lut(stored, dataset).astype(np.float32)
        if stored.shape != size:
            raise PictureError("Its size is not that of the series.")
        return stored

    return guard(act)


def _say_problems(problems: dict[int, str]) -> list[str]:
    """What could not be read, one sentence for each reason."""
    by_reason: dict[str, list[int]] = defaultdict(list)
    for at, reason in sorted(problems.items()):
        by_reason[reason].append(at + 1)
    said = []
    for reason, places in by_reason.items():
        shown = ", ".join(map(str, places[:_MOST_SAID])) + (" …" if len(places) > _MOST_SAID else "")
        said.append(f"Slice {shown} could not be read, and its place stays empty. {reason}")
    return said


def _read_regions(
    stack: Stack, segmentations: Sequence[Segmentation], read: Read, shape: tuple[int, ...], notes: list[str]
) -> dict[str, np.ndarray]:
    regions: dict[str, np.ndarray] = {}
    geometry = stack.geometry
    if geometry is None or len(shape) != 3:
        return regions
    for segmentation in segmentations:
        try:
            dataset, _ = _open(read, segmentation.source, segmentation.frames[0][0].digest)
            found = guard(lambda: place_regions(segmentation, dataset, geometry, (shape[0], shape[1], shape[2])))  # noqa: B023
        except PictureError as error:
            notes.append(f"Outlines (SEG) could not be read. {error}")
            continue
        for name, mask in found.items():
            regions[name if name not in regions else f"{name} {len(regions) + 1}"] = mask
    if regions:
        notes.append(f"Outlined in another file: {', '.join(regions)}.")
    return regions


def load_nifti(
    data: bytes, header: NiftiHeader, name: str, digest: str, volume: int = 0, watch: Watch | None = None
) -> Volume:
    """A volume of a NIfTI file.

    Args:
        data: the whole file.
        header: what it says.
        name: what to call it.
        digest: SHA-256 of the file, hexadecimal.
        volume: which one of a file of several, from 0.
        watch: told how far it is; may stop it.

    Raises:
        PictureError: see `explain.volumes.nifti.read_numbers`.
    """
    try:
        stored = read_numbers(data, header, volume, watch)
    except MemoryError:
        raise PictureError("There is not enough memory to read the volume. Choose a smaller one.") from None
    stored.setflags(write=False)
    depth = len(stored)
    geometry = find_geometry(header)
    notes = list(header.notes)
    if header.shape[3] > 1:
        notes.append(f"Volume {volume + 1} of {header.shape[3]} that the file holds.")
    if geometry is None:
        notes.append(_UNKNOWN_SIDES)
    elif geometry.fault:
        notes.append(geometry.fault)
    return Volume(
        name=name,
        stored=stored,
        slopes=np.full(depth, header.slope),
        intercepts=np.full(depth, header.intercept),
        present=np.ones(depth, bool),
        digest=find_digest([(digest, volume)]),
        geometry=geometry,
        pitch=None if header.pitch is None else (header.pitch[1], header.pitch[0]),
        bits=8 * stored.itemsize,
        notes=tuple(notes),
        sides_unknown=_UNKNOWN_SIDES if geometry is None else "",
        made_as=find_best_plane(header, geometry),
    )


def add_areas(volume: Volume, labels: Sequence[Labels], read: Read, watch: Watch) -> Volume:
    """The volume with the areas that files of labels outline in it; what cannot be read is said in a note.

    Args:
        volume: the scan.
        labels: files that lie on it voxel by voxel.
        read: gives files.
        watch: told how far it is; may stop it.
    """
    regions, notes = dict(volume.regions), list(volume.notes)
    for one in labels:
        try:
            found = read_areas(read(one.source), one, watch)
        except PictureError as error:
            notes.append(f"Labels could not be read. {error}")
            continue
        for name, mask in found.items():
            regions[name if name not in regions else f"{name} ({len(regions) + 1})"] = mask
        notes.append(f"Outlined in another file: {', '.join(found)}.")
    return replace(volume, regions=regions, notes=tuple(notes)) if labels else volume
