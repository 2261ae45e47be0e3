"""Where a map over a volume is high: threshold and pieces in all three axes, cut through any plane like the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from scipy import ndimage

from explain.errors import PictureError
from explain.maps.mask import HIGH_NOWHERE, Mask, MaskSettings, find_otsu, find_overlap, list_shares
from explain.maps.volume_map import VolumeMap
from explain.percent import write_share
from explain.volumes.planes import Plane
from explain.volumes.volume import Volume

MOST_ALONG = 96
"""Voxels of a mask along an axis. That of a larger volume is found on it reduced to this: a map is coarser still."""

Reach = tuple[float, float]
"""From where to where along an axis."""

_TOUCHING = np.ones((3, 3, 3), dtype=int)  # at a corner too

_levels: WeakKeyDictionary[VolumeMap, tuple[np.ndarray, float]] = WeakKeyDictionary()  # a map holds its volume


@dataclass(frozen=True, eq=False)
class VolumeMask:
    """Where a map over a volume is high.

    Attributes:
        voxels: the mask, `(d, h, w)` bool, along the volume's slices, rows and columns as stored, each reduced to at
            most `MOST_ALONG`.
        volume: over which it lies, without its numbers.
        settings: how it was made; edges are followed on pictures alone.
        share: of the highest value, above which the map is high, 0…1.
        value: the same as a value of the map.
        aside: the masks at a share `ASIDE` lower and higher, as `voxels`.
        pieces: how many there are; voxels that touch at a corner are one.
    """

    voxels: np.ndarray
    volume: Volume
    settings: MaskSettings
    share: float
    value: float
    aside: tuple[np.ndarray, np.ndarray]
    pieces: int

    @property
    def part(self) -> float:
        """Its share of the volume, 0…1."""
        return float(self.voxels.mean())

    @property
    def parts_aside(self) -> tuple[float, float]:
        """Those of the masks at a lower and a higher threshold, 0…1."""
        lower, higher = (float(voxels.mean()) for voxels in self.aside)
        return lower, higher

    @property
    def alike_aside(self) -> tuple[float, float]:
        """How far it is the same as these, as intersection over union, 0…1."""
        lower, higher = (find_overlap(self.voxels, voxels) for voxels in self.aside)
        return lower, higher

    @property
    def millimetres(self) -> float | None:
        """Its volume in mm³; None where nobody knows how large the voxels are."""
        steps = self.volume.steps
        if steps is None:
            return None
        return self.part * float(np.prod(np.multiply(self.volume.stored.shape[:3], steps)))

    @property
    def extents(self) -> tuple[Reach, Reach, Reach]:
        """From where to where it reaches along slices, rows and columns, in voxels of the volume, whose edges lie at
        whole numbers; of an empty one nothing.
        """
        found = []
        for axis, side in enumerate(self.volume.stored.shape[:3]):
            along = np.flatnonzero(self.voxels.any(tuple(other for other in range(3) if other != axis)))
            step = side / self.voxels.shape[axis]
            found.append((float(along[0] * step), float((along[-1] + 1) * step)) if along.size else (0.0, 0.0))
        return found[0], found[1], found[2]

    def find_slices(self, plane: Plane) -> tuple[int, int] | None:
        """The first and the last slice of a plane, from 0 and as that plane counts them, on whose cut it is not empty;
        None where it is on none.

        Raises:
            PictureError: that plane cannot be shown.
        """
        view = self.volume.get_view(plane)
        indices = np.arange(self.volume.count(plane))
        along = np.asarray(view.turn(self.voxels).any((1, 2)))
        there = np.flatnonzero(along[self._find_places(plane, indices)])
        return (int(there[0]), int(there[-1])) if there.size else None

    @property
    def sides(self) -> tuple[float, float, float] | None:
        """How far it reaches along slices, rows and columns in mm; None where nobody knows."""
        steps = self.volume.steps
        if steps is None:
            return None
        depth, down, across = ((stop - start) * step for (start, stop), step in zip(self.extents, steps, strict=True))
        return depth, down, across

    @property
    def affine(self) -> np.ndarray | None:
        """From a voxel of the mask (slice, row, column, 1) to its middle in LPS millimetres, `(4, 4)`; None where the
        files do not say where voxels lie.
        """
        geometry = self.volume.geometry
        if geometry is None or geometry.affine is None:
            return None
        reduced = np.eye(4)
        for axis, (side, count) in enumerate(zip(self.volume.stored.shape[:3], self.voxels.shape, strict=True)):
            reduced[axis, axis] = side / count
            reduced[axis, 3] = 0.5 * side / count - 0.5
        return np.asarray(geometry.affine @ reduced)

    def describe(self) -> str:
        """How large it is, and how large with the threshold a little higher and lower; a sentence without its stop."""
        said = [f"High in {write_share(self.part)} of the volume"]
        if self.millimetres is not None:
            said.append(f"{self.millimetres:,.0f} mm³")
        said.append(f"in {self.pieces:,} {'piece' if self.pieces == 1 else 'pieces'}")
        if self.sides is not None:
            said.append(f"{' × '.join(f'{side:.0f}' for side in self.sides)} mm")
        lower, higher = self.parts_aside
        return (
            f"{', '.join(said)} ({write_share(higher)} to {write_share(lower)} with the threshold 5 points higher or "
            "lower)"
        )

    def cut(self, plane: Plane, index: int) -> MaskCut:
        """The mask on a slice of a plane, as `Volume.slice` draws it; it may be empty there.

        Raises:
            PictureError: that plane cannot be shown.
        """
        view, at = self.volume.get_view(plane), int(self._find_places(plane, np.array(index)))
        own, lower, higher = (np.ascontiguousarray(view.turn(voxels)[at]) for voxels in (self.voxels, *self.aside))
        size = self.volume.size(plane)
        return MaskCut(own, size, self.settings, self.share, self.value, (lower, higher), whole=self, plane=plane)

    def _find_places(self, plane: Plane, indices: np.ndarray) -> np.ndarray:
        """Where slices of a plane lie among the mask's voxels, both counted along the view."""
        axis = self.volume.get_view(plane).axes[0]
        places = (indices + 0.5) * self.voxels.shape[axis] / self.volume.stored.shape[axis]
        return np.asarray(places).astype(int)


@dataclass(frozen=True, eq=False)
class MaskCut(Mask):
    """The mask of a volume on one of its slices.

    Attributes:
        whole: of which it is a cut. How much of it stays the same is told of that.
        plane: through which.
    """

    whole: VolumeMask | None = None
    plane: Plane = "stack"

    @property
    def compared(self) -> np.ndarray:
        """What is compared with other masks: that of the whole volume."""
        assert self.whole is not None
        return self.whole.voxels

    @property
    def alike_aside(self) -> tuple[float, float]:
        """That of the whole."""
        assert self.whole is not None
        return self.whole.alike_aside


def find_volume_mask(one: VolumeMap, settings: MaskSettings | None = None) -> VolumeMask:
    """Where a map over a volume is high: threshold, then pieces. The map is cut off at zero and drawn out between the
    middles of its cells, as its cuts are; what the model was not shown is not high.

    Args:
        one: the map.
        settings: how; left out, a fixed share and all pieces. Edges are not followed.

    Raises:
        PictureError: nothing of the map is above zero, or it holds values that are not numbers.
    """
    settings = settings or MaskSettings()
    level, highest = _see_level(one)
    share = settings.share if settings.threshold == "fixed" else find_otsu(level[level >= 0])
    voxels, lower, higher = (_keep_pieces(level > at, settings) for at in list_shares(share))
    pieces: int = ndimage.label(voxels, _TOUCHING)[1]
    return VolumeMask(voxels, one.volume.without_numbers(), settings, share, share * highest, (lower, higher), pieces)


def reduce_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Slices, rows and columns of a mask of a volume of that shape."""
    return tuple(min(side, MOST_ALONG) for side in shape[:3])


def _see_level(one: VolumeMap) -> tuple[np.ndarray, float]:
    """What `_draw_level` gives, for a slider, whose steps do not change it: kept as long as the map is."""
    level = _levels.get(one)
    if level is None:
        level = _levels[one] = _draw_level(one)
    return level


def _draw_level(one: VolumeMap) -> tuple[np.ndarray, float]:
    """The map on the voxels of its mask as shares of its highest value there, 0…1, and -1 where the model was shown
    nothing; and that value.
    """
    if not np.isfinite(one.values).all() or not (one.values > 0).any():
        raise PictureError(HIGH_NOWHERE)
    drawn = np.maximum(one.values, 0).astype(np.float32)
    seen = np.ones((), dtype=bool)
    whole = one.volume.stored.shape[:3]
    for axis, (span, side, count) in enumerate(zip(one.block.spans, whole, reduce_shape(whole), strict=True)):
        middles = (np.arange(count) + 0.5) * side / count
        cells = np.clip(span.to_cells(middles, one.values.shape[axis]), 0, one.values.shape[axis] - 1)
        below = np.minimum(cells.astype(int), max(one.values.shape[axis] - 2, 0))
        above = np.minimum(below + 1, one.values.shape[axis] - 1)
        shares = (cells - below).astype(np.float32).reshape(-1, *[1] * (2 - axis))
        drawn = drawn.take(below, axis) * (1 - shares) + drawn.take(above, axis) * shares
        seen = np.logical_and.outer(seen, (middles >= span.start) & (middles <= span.stop))
    highest = float(drawn.max(initial=0.0, where=seen))
    if highest <= 0:
        raise PictureError(HIGH_NOWHERE)
    level = np.where(seen, drawn / np.float32(highest), np.float32(-1))
    level.setflags(write=False)
    return level, highest


def _keep_pieces(mask: np.ndarray, settings: MaskSettings) -> np.ndarray:
    """The mask, or of its pieces the largest alone; of two as large the first."""
    if settings.pieces == "all" or not mask.any():
        return mask
    labels, _ = ndimage.label(mask, _TOUCHING)
    return np.asarray(labels == 1 + int(np.bincount(labels.ravel())[1:].argmax()))
