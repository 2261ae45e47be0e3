"""DICOM segmentations: which voxels of a series somebody, or something, has outlined."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.errors import PictureError
from explain.pictures.dicom_frames import check_pixels, read_frame
from explain.volumes.geometry import Geometry, find_distances
from explain.volumes.header import Frame, list_frames

_ALIKE = 1e-3


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A file of outlined areas.

    Attributes:
        source: number of its file.
        series: identifier of the series it was drawn on; in memory only. Empty where unsaid.
        reference: identifier of what its positions are measured from; in memory only.
        names: of its areas, by their numbers in the file.
        frames: where each of its frames lies, with the number of the area.
        whole: the number of a voxel that is wholly inside.
    """

    source: int
    series: str
    reference: str
    names: dict[int, str]
    frames: tuple[tuple[Frame, int], ...]
    whole: int


def read_segmentation(dataset: Any, source: int, digest: str) -> Segmentation:
    """What the header of a segmentation says.

    Args:
        dataset: see `explain.volumes.header.read_header`.
        source: number of the file.
        digest: SHA-256 of it, hexadecimal.
    """
    frames = list(list_frames(dataset, source, digest))
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or []
    names = {
        int(segment.get("SegmentNumber") or place): _name_area(segment, place)
        for place, segment in enumerate(dataset.get("SegmentSequence") or [], 1)
    }
    referenced = dataset.get("ReferencedSeriesSequence") or []
    return Segmentation(
        source=source,
        series=str(referenced[0].get("SeriesInstanceUID") or "") if referenced else "",
        reference=frames[0].reference,
        names=names or {1: "Region 1"},
        frames=tuple((frame, _number_area(groups, frame.index)) for frame in frames),
        whole=int(dataset.get("MaximumFractionalValue") or 1) if dataset.get("SegmentationType") != "BINARY" else 1,
    )


def _name_area(segment: Any, number: int) -> str:
    """What an area is, by the words of its code; its label is free text, in which anything may stand."""
    code = segment.get("SegmentedPropertyTypeCodeSequence")
    said = str(code[0].get("CodeMeaning") or "").strip() if code else ""
    return said if re.fullmatch(r"[A-Za-z][A-Za-z ,()-]{0,39}", said) else f"Region {number}"


def _number_area(groups: Any, index: int) -> int:
    items = groups[index].get("SegmentIdentificationSequence") if index < len(groups) else None
    return int(items[0].get("ReferencedSegmentNumber") or 1) if items else 1


def place_regions(
    segmentation: Segmentation, dataset: Any, geometry: Geometry, shape: tuple[int, int, int]
) -> dict[str, np.ndarray]:
    """The areas in the voxels of a series, `(d, h, w)` bool, by their names.

    Args:
        segmentation: see `read_segmentation`.
        dataset: the same file, with its pixels.
        geometry: of the series.
        shape: of the series.

    Raises:
        PictureError: its pixels cannot be read, or none of its slices is one of the series'.
    """
    frames = check_pixels(dataset)
    distances = find_distances(geometry.origins, geometry.down, geometry.across)
    apart = np.diff(distances)
    near = float(apart.min()) / 2 if len(apart) else 0.5
    regions: dict[str, np.ndarray] = {}
    for frame, number in segmentation.frames:
        slot = _find_slice(frame, geometry, distances, near, shape[1:])
        if slot is None:
            continue
        name = segmentation.names.get(number, f"Region {number}")
        mask = regions.setdefault(name, np.zeros(shape, bool))
        mask[slot] |= read_frame(dataset, frame.index, frames) >= max(segmentation.whole / 2, 1)
    if not regions:
        raise PictureError("None of its outlines lies on a slice of the series it belongs to.")
    return regions


def _find_slice(
    frame: Frame, geometry: Geometry, distances: np.ndarray, near: float, size: tuple[int, ...]
) -> int | None:
    """The slice of a series on which a frame lies, pixel on pixel; None where there is none."""
    if frame.orientation is None or frame.position is None or frame.size != size:
        return None
    wanted = np.concatenate([geometry.across, geometry.down])
    if np.abs(np.array(frame.orientation) - wanted).max() > _ALIKE:
        return None
    if frame.pitch is not None and np.abs(np.array(frame.pitch) - geometry.pitch).max() > _ALIKE:
        return None
    offsets = np.array(frame.position) - geometry.origins
    through = np.abs(offsets @ np.cross(geometry.across, geometry.down))
    slot = int(through.argmin())
    beside = max(
        abs(offsets[slot] @ geometry.across) / geometry.pitch[1], abs(offsets[slot] @ geometry.down) / geometry.pitch[0]
    )
    return slot if through[slot] <= near and beside <= 0.5 else None
