"""A map over a volume: its cells, where they lie in millimetres, and its cut through any plane."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from explain.maps.heatmap import WHOLE_GRID, Heatmap
from explain.maps.render import find_ends
from explain.methods import get_method
from explain.networks.layer import describe_grid
from explain.pictures.geometry import Box, Span
from explain.volumes.model_input import Block
from explain.volumes.planes import Plane
from explain.volumes.volume import Volume

ENDS = "ends of the volume's map"
"""Where a cut's details hold the lowest and the highest value of the whole map."""

WHOLE = "map of the volume"
"""Where they hold the `VolumeMap` that it is a cut of."""

FEW_CELLS = 4
"""Fewer cells along an axis than this are said beside the map."""

_AXES = ("from slice to slice", "from row to row", "from column to column")


@dataclass(frozen=True, eq=False)
class VolumeMap:
    """One method's map of one volume, one layer and one class.

    Attributes:
        heatmap: the map and all that is said of it. Its values are `(d, h, w)`: cells along the volume's slices, rows
            and columns as stored, however the model's input was turned. Its box has no meaning.
        volume: over which it lies.
        block: the part of the volume that its cells share.
    """

    heatmap: Heatmap
    volume: Volume
    block: Block

    @property
    def values(self) -> np.ndarray:
        """`(d, h, w)` float32 at the layer's own resolution, signed, not normalised, no ReLU applied."""
        return self.heatmap.values

    @property
    def key(self) -> str:
        """What tells it from the other maps of its volume: method, layer and class."""
        return self.heatmap.key

    @property
    def voxel_affine(self) -> np.ndarray:
        """From a cell (slice, row, column, 1) to the voxel (slice, row, column, 1) at its centre, `(4, 4)`."""
        return self.block.place(self.values.shape)

    @property
    def affine(self) -> np.ndarray | None:
        """From a cell (slice, row, column, 1) to its centre in LPS millimetres, `(4, 4)`; None where the files do not
        say where the voxels lie.
        """
        own = None if self.volume.geometry is None else self.volume.geometry.affine
        return None if own is None else own @ self.voxel_affine

    @property
    def peak_cell(self) -> tuple[int, int, int]:
        """The highest cell (slice, row, column); the first of several."""
        slice_, row, column = np.unravel_index(int(self.values.argmax()), self.values.shape)
        return int(slice_), int(row), int(column)

    @property
    def peak_voxel(self) -> tuple[int, int, int]:
        """The voxel of the volume at the middle of the highest cell, or the nearest where that lies beside it."""
        place = self.voxel_affine @ (*self.peak_cell, 1)
        found = [
            min(max(int(np.floor(at + 0.5)), 0), side - 1)
            for at, side in zip(place[:3], self.volume.stored.shape, strict=False)
        ]
        return found[0], found[1], found[2]

    @property
    def peak(self) -> tuple[float, float, float] | None:
        """The middle of the highest cell in LPS millimetres; None where the files do not say where the voxels lie."""
        if self.affine is None:
            return None
        left, back, up = (self.affine @ (*self.peak_cell, 1))[:3]
        return float(left), float(back), float(up)

    def describe_cells(self) -> str:
        """How many cells there are and how far apart, in a sentence; few along an axis are named."""
        shape = self.values.shape
        said = f"The map has {describe_grid(shape)} cells"
        if self.volume.steps is not None:
            along = zip(self.volume.steps, self.block.spans, shape, strict=True)
            said += f", {' × '.join(f'{step * span.length / count:.3g}' for step, span, count in along)} mm each"
        few = [f"only {count} {axis}" for count, axis in zip(shape, _AXES, strict=True) if count < FEW_CELLS]
        return f"{said}{': ' + ', '.join(few) if few else ''}."

    def find_cut(self, plane: Plane, index: int) -> float | None:
        """Between which cells a slice of a plane lies, counted along that plane's own axis; None for a slice that the
        model was not shown.
        """
        view = self.volume.get_view(plane)
        axis, count = view.axes[0], self.values.shape[view.axes[0]]
        side = self.volume.stored.shape[axis]
        at = (side - 1 - index if view.flips[0] else index) + 0.5
        span = self.block.spans[axis]
        if not span.start <= at <= span.stop:
            return None
        cell = float(span.to_cells(at, count))
        return count - 1 - cell if view.flips[0] else cell

    def cut(self, plane: Plane, index: int) -> Heatmap | None:
        """The map on a slice of a plane, as `Volume.slice` draws it: cells between those of two neighbours, linearly.

        Returns:
            A picture's map `(h, w)` with its box; None where the model was not shown this slice.

        Raises:
            PictureError: that plane cannot be shown.
        """
        at = self.find_cut(plane, index)
        if at is None:
            return None
        view = self.volume.get_view(plane)
        turned = view.turn(self.values)
        inside = min(max(at, 0.0), turned.shape[0] - 1.0)
        below = min(int(inside), max(turned.shape[0] - 2, 0))
        above = min(below + 1, turned.shape[0] - 1)
        share = np.float32(inside - below)
        values = np.ascontiguousarray(turned[below] * (1 - share) + turned[above] * share, dtype=np.float32)
        values.setflags(write=False)
        details = {**self.heatmap.details, ENDS: self.ends, WHOLE: self, WHOLE_GRID: self.values.shape}
        return replace(self.heatmap, values=values, box=self._find_box(plane), details=details)

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest value of the whole map, by which all of its cuts are coloured."""
        if not np.isfinite(self.values).all():
            return 0.0, 0.0
        return find_ends([self.values], get_method(self.heatmap.method).painting)

    def _find_box(self, plane: Plane) -> Box:
        view = self.volume.get_view(plane)
        shape, size = self.volume.stored.shape, self.volume.size(plane)
        spans = []
        for axis, flip, pixels in zip(view.axes[1:], view.flips[1:], size, strict=True):
            span, side = self.block.spans[axis], shape[axis]
            if flip:
                span = Span(side - span.stop, side - span.start)
            spans.append(Span(span.start * pixels / side, span.stop * pixels / side))
        return Box.from_spans(spans)
