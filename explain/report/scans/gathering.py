"""Maps of slices, gathered to volumes where their slices lie beside each other, with their place in millimetres."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from explain.engine.explanation import PictureExplanation
from explain.maps.heatmap import Heatmap
from explain.maps.volume_map import WHOLE, VolumeMap
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture, Placement, Section

_UNKNOWN_STEP = 1.0
"""Millimetres that a slice is thick where its files do not say how far the next one lies."""


@dataclass(frozen=True, eq=False)
class SliceMap:
    """The map of one slice, without its picture.

    Attributes:
        heatmap: the map.
        section: which slice it is.
        placement: where that lies.
        name: of its picture.
    """

    heatmap: Heatmap
    section: Section
    placement: Placement
    name: str


@dataclass(frozen=True, eq=False)
class ScanMap:
    """One map with its place in the patient: of slices that lie beside each other, or of a whole volume.

    Attributes:
        heatmap: the map, or that of the first slice.
        values: `(d, h, w)` float32, at the layer's own resolution, signed.
        affine: from a cell (slice, row, column, 1) to its middle in LPS millimetres, `(4, 4)`.
        volume: digest of the series.
        indices: the slices of the stack that it comes from; none where it runs through all of them.
        name: which slices, for the name of a file: `slice-12`, `coronal-3-to-20`, `volume`.
        title: what they are called.
    """

    heatmap: Heatmap
    values: np.ndarray
    affine: np.ndarray
    volume: str
    indices: tuple[int, ...]
    name: str
    title: str


class Gatherer:
    """Takes maps as they come, and none of their pictures."""

    def __init__(self) -> None:
        self._found: dict[Hashable, list[SliceMap]] = defaultdict(list)
        self._wholes: dict[Hashable, ScanMap] = {}

    def add(self, entry: PictureExplanation) -> None:
        """Take the maps of a slice, of those that hold numbers; nothing of a picture whose place is not known. Of a
        volume that was explained whole each is taken once, and as a whole.
        """
        picture = entry.picture
        if not has_place(picture):
            return
        assert picture.section is not None and picture.placement is not None
        for heatmap in entry.maps:
            whole: VolumeMap | None = heatmap.details.get(WHOLE)
            placed = None if whole is None else place_volume_map(whole)
            if placed is not None:
                self._wholes[placed.volume, heatmap.key] = placed
                continue
            self.add_map(SliceMap(heatmap, picture.section, picture.placement, picture.name))

    def add_map(self, one: SliceMap) -> None:
        """Take one map, if it holds numbers."""
        heatmap, section = one.heatmap, one.section
        if np.isfinite(heatmap.values).all():
            cut = (section.volume, section.plane, section.window, section.inverted)
            self._found[(*cut, heatmap.key, heatmap.values.shape, heatmap.box)].append(one)

    def list_maps(self) -> list[ScanMap]:
        """What was taken, slices beside each other as one."""
        return [*self._wholes.values(), *(_join(run) for taken in self._found.values() for run in _part(taken))]


def has_place(picture: Picture) -> bool:
    """Whether it is a slice, and it is known where in the patient it lies."""
    return picture.section is not None and picture.placement is not None and picture.placement.origin is not None


def lay_cells(placement: Placement, box: Box, shape: tuple[int, int]) -> np.ndarray:
    """From a cell (slice, row, column, 1) of a map to its middle in LPS millimetres, `(4, 4)`.

    Args:
        placement: of the picture, whose place is known.
        box: where the map lies on it.
        shape: rows and columns of the map.
    """
    origin, down, across = map(np.array, (placement.origin, placement.down, placement.across))
    rows, columns = box.spans
    affine = np.eye(4)
    affine[:3, 0] = find_way_through(placement)
    affine[:3, 1] = down * rows.length / shape[0]
    affine[:3, 2] = across * columns.length / shape[1]
    # A box is counted from the picture's edge, its origin is the middle of the first pixel.
    first_row, first_column = rows.to_pixels(0.0, shape[0]) - 0.5, columns.to_pixels(0.0, shape[1]) - 0.5
    affine[:3, 3] = origin + down * first_row + across * first_column
    return affine


def find_way_through(placement: Placement) -> np.ndarray:
    """From a slice to the next in LPS millimetres; where that is not known, a millimetre at right angles."""
    if placement.through is not None:
        return np.array(placement.through)
    normal = np.cross(np.array(placement.across), np.array(placement.down))
    return _UNKNOWN_STEP * normal / np.linalg.norm(normal)


def _part(taken: Sequence[SliceMap]) -> list[list[SliceMap]]:
    """Runs of slices without a gap; each alone where they lie at no one distance."""
    ordered = sorted({one.section.index: one for one in taken}.values(), key=lambda one: one.section.index)
    runs: list[list[SliceMap]] = []
    for one in ordered:
        follows = runs and runs[-1][-1].section.index + 1 == one.section.index and one.placement.through is not None
        if follows:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _join(run: Sequence[SliceMap]) -> ScanMap:
    first, last = run[0], run[-1]
    values = np.stack([one.heatmap.values for one in run]).astype(np.float32)
    shape = (values.shape[1], values.shape[2])
    plane = "slice" if first.section.plane == "stack" else first.section.plane
    end = f"-to-{last.section.index + 1}" if len(run) > 1 else ""
    return ScanMap(
        first.heatmap,
        values,
        lay_cells(first.placement, Box(*first.heatmap.box), shape),
        first.section.volume,
        tuple(one.section.index for one in run) if first.section.plane == "stack" else (),
        f"{plane}-{first.section.index + 1}{end}",
        first.name,
    )


def place_volume_map(one: VolumeMap) -> ScanMap | None:
    """The map of a whole volume with its place; None where nobody knows it, or a value is no number."""
    if one.affine is None or not np.isfinite(one.values).all():
        return None
    volume = one.volume
    return ScanMap(one.heatmap, one.values, one.affine, volume.digest, (), "volume", volume.name)
