"""A stack of slices as it is stored, and its slices as pictures like any other."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import cv2
import numpy as np

from explain.errors import PictureError
from explain.pictures.bounds import MAX_SIDE
from explain.pictures.picture import Picture, Placement, Section, build_picture
from explain.pictures.sides import Edges, name_edges
from explain.volumes.geometry import Geometry
from explain.volumes.placing import find_placement
from explain.volumes.planes import PLANES, Plane, View, find_view
from explain.volumes.windows import CT_PRESETS, Window, find_range

_MOST_SAMPLED = 2_000_000
"""Values from which the range of a whole series is told."""

_MOST_STRETCHED = 64.0
"""Times that a side is enlarged at most, so that a millimetre is as long down as across."""

_OWN_WINDOW = r"-?\d{1,9}(\.\d{1,6})?/\d{1,9}(\.\d{1,6})?"
"""Centre and width of a window, as people write them."""

_RULES = 1
"""By which rules numbers become a slice's pixels; a part of its digest."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A stack of slices: a series of scans, a clip, or a NIfTI volume.

    Attributes:
        name: what it is called, without anything of the patient: `CT, 140 slices`.
        stored: the numbers as stored, `(d, h, w)`, or 8-bit RGB of a clip, `(d, h, w, 3)`; read-only. Where a slice is
            missing, zeros.
        slopes: by which the numbers of each slice are multiplied to be in the file's units, `(d,)`.
        intercepts: what is added then, `(d,)`.
        present: which slices are there, `(d,)` bool; the others are gaps in the series.
        digest: SHA-256 of the digests of all its files and which of their frames it holds, hexadecimal: the same for a
            folder, a zip and renamed files.
        modality: the kind of machine, e.g. `CT`; `OT` if unsaid.
        unit: of the values, e.g. `HU`; empty where the file does not say.
        geometry: where the voxels lie in the patient; None where the files do not say.
        pitch: millimetres from row to row and from column to column; None where unsaid.
        own_windows: by slice, those that its file names; may be empty.
        inverted: whether its file asks for greys from white to black, by slice, `(d,)` bool.
        padding: the stored numbers, from and to, that stand for nothing; None where there are none.
        bits: bits of a number that is stored.
        notes: sentences on what was found while reading.
        seconds: from frame to frame of a clip; None for all else.
        regions: areas that other files outline in this series, by name, `(d, h, w)` bool.
        sides_unknown: why no letters stand on the edges, in a sentence; empty where they do.
        made_as: the plane that its stack is, of a file stored in any order; `stack` for slices that are shown as they
            were made.
        frame: the same for series that are measured from the same place of the patient, and no identifier itself; empty
            where nobody knows.
        read_original: gives the DICOM file that a slice of the stack comes from, where there is one; None for NIfTI.
    """

    name: str
    stored: np.ndarray
    slopes: np.ndarray
    intercepts: np.ndarray
    present: np.ndarray
    digest: str
    modality: str = "OT"
    unit: str = ""
    geometry: Geometry | None = None
    pitch: tuple[float, float] | None = None
    own_windows: tuple[tuple[Window, ...], ...] = ()
    inverted: np.ndarray | None = None
    padding: tuple[float, float] | None = None
    bits: int = 16
    notes: tuple[str, ...] = ()
    seconds: float | None = None
    regions: dict[str, np.ndarray] = field(default_factory=dict)
    sides_unknown: str = ""
    made_as: Plane = "stack"
    frame: str = field(default="", repr=False)
    read_original: Callable[[int], bytes] | None = field(default=None, repr=False)

    def without_numbers(self) -> Volume:
        """Where it lies and how large it is, for what is to hold none of the scan: its numbers are zeros that take no
        memory, and it has no areas and no files.
        """
        nothing = np.broadcast_to(np.zeros((), self.stored.dtype), self.stored.shape)
        return replace(self, stored=nothing, regions={}, read_original=None)

    # How it can be looked at -----------------------------------------------------------------------------------------

    @cached_property
    def planes(self) -> dict[Plane, str]:
        """The planes in which it can be looked at; where it cannot, why not, in a sentence."""
        return {plane: self._find_fault(plane) for plane in PLANES}

    def _find_fault(self, plane: Plane) -> str:
        if plane == "stack":
            return ""
        if self.stored.ndim == 4:
            return "A clip in colour has no other planes."
        if self.geometry is None:
            return "Other planes cannot be shown: the files do not say where the slices lie in the patient."
        return self.geometry.fault

    def get_view(self, plane: Plane = "stack") -> View:
        """How the numbers are turned for a plane.

        Raises:
            PictureError: that plane cannot be shown, for the reason that `planes` has.
        """
        if self.planes[plane]:
            raise PictureError(self.planes[plane])
        if plane == "stack" and self.made_as == "stack":
            return View()
        assert self.geometry is not None
        return find_view(self.made_as if plane == "stack" else plane, self.geometry.directions)

    def count(self, plane: Plane = "stack") -> int:
        """How many slices there are in a plane, missing ones too."""
        return self.get_view(plane).count(self.stored.shape)[0]

    @property
    def missing(self) -> tuple[int, ...]:
        """Which slices of the stack are not in the series, from 0."""
        return tuple(int(at) for at in np.flatnonzero(~self.present))

    def list_there(self, plane: Plane = "stack") -> list[int]:
        """Which slices of a plane can be shown, from 0: all but those that are missing in the series."""
        view = self.get_view(plane)
        count = view.count(self.stored.shape)[0]
        if view.axes[0] != 0:
            return [*range(count)]
        there = self.present[::-1] if view.flips[0] else self.present
        return [int(at) for at in np.flatnonzero(there)]

    def name_edges(self, plane: Plane = "stack") -> Edges | None:
        """The letters of the four edges of its slices; None where nobody knows, see `sides_unknown`."""
        if self.geometry is None or self.sides_unknown:
            return None
        _, down, across = self.get_view(plane).direct(self.geometry.directions)
        return name_edges(down, across)

    def measure(self, plane: Plane = "stack") -> tuple[float, float, float] | None:
        """Millimetres from slice to slice, row to row and column to column of a plane; None where they are not known.

        The first is 0 where slices lie at no one distance.
        """
        if self.pitch is None:
            return None
        step = self.geometry.step if self.geometry is not None and self.geometry.step is not None else 0.0
        own = (step, *self.pitch)
        slices, rows, columns = (own[axis] for axis in self.get_view(plane).axes)
        return slices, rows, columns

    @property
    def steps(self) -> tuple[float, float, float] | None:
        """Millimetres from voxel to voxel along slices, rows and columns as stored; None where slices lie unevenly, or
        nobody knows.
        """
        if self.geometry is None or self.geometry.step is None or self.pitch is None:
            return None
        return (self.geometry.step, *self.pitch)

    def size(self, plane: Plane = "stack") -> tuple[int, int]:
        """Height and width of its pictures in pixels, which are square: as many millimetres high as wide."""
        _, rows, columns = self.get_view(plane).count(self.stored.shape)
        measured = self.measure(plane)
        if measured is None or not min(measured[1:]) > 0:
            return rows, columns
        _, down, across = measured
        ratio = down / across
        if not 1 / _MOST_STRETCHED < ratio < _MOST_STRETCHED:
            return rows, columns
        height, width = round(rows * max(ratio, 1.0)), round(columns * max(1 / ratio, 1.0))
        return (height, width) if max(height, width) <= MAX_SIDE else (rows, columns)

    # Places ----------------------------------------------------------------------------------------------------------

    def find_voxel(self, plane: Plane, index: int, point: tuple[float, float]) -> tuple[int, int, int]:
        """The voxel (slice, row, column, as stored) under a point (x, y) of a plane's picture."""
        view = self.get_view(plane)
        _, rows, columns = view.count(self.stored.shape)
        height, width = self.size(plane)
        row = min(max(int(point[1] * rows / height), 0), rows - 1)
        column = min(max(int(point[0] * columns / width), 0), columns - 1)
        return view.find_voxel((index, row, column), self.stored.shape)

    def find_point(self, plane: Plane, voxel: Sequence[int]) -> tuple[int, tuple[float, float]]:
        """The way back: on which slice of a plane a voxel lies, and at which point (x, y) of its picture."""
        view = self.get_view(plane)
        _, rows, columns = view.count(self.stored.shape)
        height, width = self.size(plane)
        index, row, column = view.find_place(voxel, self.stored.shape)
        return index, ((column + 0.5) * width / columns, (row + 0.5) * height / rows)

    def get_value(self, voxel: Sequence[int]) -> float | None:
        """The value at a voxel in the file's units; None in a missing slice, in padding and in colour."""
        at, row, column = voxel
        if self.stored.ndim == 4 or not self.present[at]:
            return None
        number = self.stored[at, row, column]
        if self.padding is not None and self.padding[0] <= number <= self.padding[1]:
            return None
        return float(number) * float(self.slopes[at]) + float(self.intercepts[at])

    # Windows ---------------------------------------------------------------------------------------------------------

    @cached_property
    def windows(self) -> dict[str, Window | int]:
        """The windows to choose from, by name, the one to begin with first.

        A number stands for the window of that place which each slice's own file names: they may differ.
        """
        if self.stored.ndim == 4:
            return {}
        found: dict[str, Window | int] = {}
        longest: tuple[Window, ...] = max(self.own_windows, key=len) if self.own_windows else ()
        for place, window in enumerate(longest):
            name = window.name if window.name not in found else f"{window.name} {place + 1}"
            found[name] = place
        if self.stored.dtype == np.uint8 and self.has_plain_numbers:
            top = (1 << min(self.bits, 8)) - 1
            found["As stored"] = Window("As stored", top / 2, top, "LINEAR_EXACT")
        else:
            found["Range of the series"] = self._range
        if self.modality == "CT":
            found |= {preset.name: preset for preset in CT_PRESETS if preset.name not in found}
        return found

    @property
    def has_plain_numbers(self) -> bool:
        """Whether its numbers are its values: nothing is multiplied or added."""
        return bool((self.slopes == 1).all() and (self.intercepts == 0).all())

    @property
    def range(self) -> tuple[float, float]:
        """Between which values of the file's units nearly all of the whole series lies."""
        window = self._range
        return window.centre - window.width / 2, window.centre + window.width / 2

    @cached_property
    def _range(self) -> Window:
        there = np.flatnonzero(self.present)
        every = max(1, self.stored[0].size * len(there) // _MOST_SAMPLED)
        found = []
        for at in there:
            numbers = self.stored[at].ravel()[(at % every) :: every]
            kept = numbers[~self._is_padding(numbers)]
            found.append(kept * self.slopes[at] + self.intercepts[at])
        values = np.concatenate(found) if found else np.empty(0)
        return find_range(values[np.isfinite(values)])

    def _is_padding(self, numbers: np.ndarray) -> np.ndarray:
        if self.padding is None:
            return np.zeros(numbers.shape, bool)
        return (numbers >= self.padding[0]) & (numbers <= self.padding[1])

    def _name_window(self, window: str | Window | None) -> str:
        if isinstance(window, Window):
            return f"{window.centre:.12g}/{window.width:.12g}"
        return window or next(iter(self.windows), "")

    def choose_window(self, window: str | Window | None, index: int) -> Window:
        """The window that is meant on a slice of the stack: the first one where nothing is said.

        Raises:
            PictureError: there is none of that name.
        """
        if isinstance(window, Window):
            return window
        name = self._name_window(window)
        if re.fullmatch(_OWN_WINDOW, name):
            centre, width = map(float, name.split("/"))
            return Window("Own", centre, max(width, 1e-6))
        if name not in self.windows:
            raise PictureError(
                f"There is no window “{name}”. Give centre and width as 40/80, or choose: {', '.join(self.windows)}."
            )
        chosen = self.windows[name]
        if isinstance(chosen, Window):
            return chosen
        own = self.own_windows[index] or next(some for some in self.own_windows if some)
        return own[min(chosen, len(own) - 1)]

    # Slices ----------------------------------------------------------------------------------------------------------

    def slice(
        self, index: int, plane: Plane = "stack", window: str | Window | None = None, invert: bool = False
    ) -> Picture:
        """A slice as a picture.

        It is shown in its true shape: where rows and columns lie at different distances, the coarser ones are enlarged.
        Where a slice is missing, other planes are black; see `find_gaps`.

        Args:
            index: which one, from 0.
            plane: in which plane.
            window: a name in `windows`, or one of the person's own, also as centre and width: `40/80`; the first of
                `windows` where None.
            invert: black for white.

        Raises:
            PictureError: there is no such slice, or it is missing in the series.
        """
        view = self.get_view(plane)
        count = view.count(self.stored.shape)[0]
        if not 0 <= index < count:
            raise PictureError(f"There is no slice {index + 1}: “{self.name}” has {count} in this plane.")
        along_stack = view.axes[0] == 0
        at = count - 1 - index if view.flips[0] else index
        if along_stack and not self.present[at]:
            raise PictureError(f"Slice {index + 1} is not in the series: there is a gap. Choose one beside it.")
        if self.stored.ndim == 4:
            values, said = np.ascontiguousarray(self.stored[at]), "colour"
        else:
            values, said = self._draw(view, index, at if along_stack else None, window, invert)
        height, width = self.size(plane)
        notes = [f"Slice {index + 1} of {count}{'' if plane == 'stack' else f', {plane}'}."]
        if said != "colour":
            notes.append(f"Window: {said}{', inverted' if invert else ''}.")
        if values.shape[:2] != (height, width):
            values = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
            values = values if values.ndim == 3 else values[:, :, None]
            notes.append(
                f"Enlarged to {width:,} × {height:,} pixels, which are square: rows and columns lie at different "
                "distances."
            )
        key = f"{_RULES} {self.digest} {plane} {index} {self._say_key(said, view, index, window)} {invert}"
        digest = hashlib.sha256(key.encode()).hexdigest()
        picture = build_picture(
            f"{self.name}, {'no.' if plane == 'stack' else plane} {index + 1}", values, digest, (*notes, *self.notes)
        )
        return replace(
            picture,
            modality=self.modality,
            section=self.name_section(index, plane, window, invert),
            placement=self.find_placement(index, plane),
        )

    def find_placement(self, index: int, plane: Plane = "stack") -> Placement | None:
        """Where the pixels of a slice lie in the patient; None where it is not known how large they are."""
        view, shape, edges = self.get_view(plane), self.stored.shape, self.name_edges(plane)
        return find_placement(self.geometry, view, shape, self.size(plane), self.measure(plane), index, edges)

    def name_section(
        self, index: int, plane: Plane = "stack", window: str | Window | None = None, invert: bool = False
    ) -> Section:
        """What tells a slice from all others, without drawing it; the arguments are those of `slice`."""
        return Section(self.digest, plane, index, self._name_window(window), invert)

    def _say_key(self, said: str, view: View, index: int, window: str | Window | None) -> str:
        if said == "colour":
            return said
        return " ".join(dict.fromkeys(self.choose_window(window, at).key for at in self._cross(view, index)))

    def _cross(self, view: View, index: int) -> list[int]:
        """The slices of the stack that a view's slice runs through."""
        depth = len(self.stored)
        if view.axes[0] == 0:
            return [depth - 1 - index if view.flips[0] else index]
        return [at for at in range(depth) if self.present[at]]

    def _draw(
        self, view: View, index: int, at: int | None, window: str | Window | None, invert: bool
    ) -> tuple[np.ndarray, str]:
        """The greys of a view's slice, `(h, w, 1)` float32 in 0…1, and which window they were seen through.

        Args:
            view: how the numbers are turned.
            index: which slice of the view.
            at: which slice of the stack that is, or None where it runs through all of them.
            window: see `slice`.
            invert: see `slice`.
        """
        # One row of numbers, of all the stack's slices, or one slice whole: (n, …) with slope, window and padding each.
        turned = view.turn(self.stored)[index]
        crossed = self._cross(view, index)
        if at is not None:
            shown = self._show(turned, at, window, invert)
            said = self.choose_window(window, at).describe()
            return shown[:, :, None], said
        if self._is_even:
            shown = self._show(turned, 0, window, invert)
            return shown[:, :, None], self.choose_window(window, 0).describe()
        along = 0 if view.axes[1] == 0 else 1
        flipped = view.flips[1 + along]
        shown = np.zeros(turned.shape, np.float32)
        for one in crossed:
            place = len(self.stored) - 1 - one if flipped else one
            line = (place, slice(None)) if along == 0 else (slice(None), place)
            shown[line] = self._show(turned[line], one, window, invert)
        return shown[:, :, None], self.choose_window(window, crossed[len(crossed) // 2]).describe()

    @cached_property
    def _is_even(self) -> bool:
        """Whether the same holds for all slices, so that a line through them is shown at once."""
        inverted = np.zeros(1) if self.inverted is None else self.inverted
        alike = all(len(np.unique(one)) == 1 for one in (self.slopes, self.intercepts, inverted))
        return alike and bool(self.present.all()) and len(set(self.own_windows)) < 2

    def _show(self, numbers: np.ndarray, at: int, window: str | Window | None, invert: bool) -> np.ndarray:
        """Numbers of one slice of the stack as greys, float32 in 0…1; padding is black."""
        exact = numbers.astype(np.float32 if numbers.itemsize <= 2 else np.float64)
        values = exact * self.slopes[at].astype(exact.dtype) + self.intercepts[at].astype(exact.dtype)
        odd = ~np.isfinite(values)
        if odd.any():
            values = np.where(odd, 0, values)
        greys = self.choose_window(window, at).apply(values)
        # Turned round after the window, never before (PS3.3 C.7.6.3.1.2).
        if (self.inverted is not None and bool(self.inverted[at])) != invert:
            greys = 1 - greys
        greys[odd | self._is_padding(numbers)] = 0
        return greys

    def find_gaps(self, plane: Plane = "stack") -> np.ndarray:
        """Which rows or columns of a plane's pictures belong to missing slices, `(H, W)` bool."""
        view = self.get_view(plane)
        height, width = self.size(plane)
        if view.axes[0] == 0:
            return np.zeros((height, width), bool)
        along = 0 if view.axes[1] == 0 else 1
        gone = ~self.present[::-1] if view.flips[1 + along] else ~self.present
        side = (height, width)[along]
        places = gone[np.arange(side) * len(gone) // side]
        return np.broadcast_to(places[:, None] if along == 0 else places[None, :], (height, width)).copy()

    def cut_region(self, name: str, index: int, plane: Plane = "stack") -> np.ndarray:
        """The pixels of a region on a slice, `(H, W)` bool."""
        turned = self.get_view(plane).turn(self.regions[name])[index]
        height, width = self.size(plane)
        if turned.shape == (height, width):
            return np.ascontiguousarray(turned)
        enlarged = cv2.resize(turned.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        return enlarged.astype(bool)
