"""From frames to stacks: which belong together, in which order, and what is missing between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from explain.volumes.geometry import Geometry, arrange, find_distances, have_places_of_their_own
from explain.volumes.header import SPLITTERS, Frame

_M = TypeVar("_M")

_ALIKE = 1e-3
_SECTIONS = ("CT", "MR", "PT", "NM")
"""Machines that make stacks, even where a file does not say where its slices lie."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Frames in their order.

    Attributes:
        frames: by slice; None where one is missing.
        geometry: where they lie; None where the files do not say.
        notes: sentences on how they were ordered.
    """

    frames: tuple[Frame | None, ...]
    geometry: Geometry | None
    notes: tuple[str, ...] = ()

    @property
    def there(self) -> list[Frame]:
        """The frames that are not missing."""
        return [frame for frame in self.frames if frame is not None]


def build_stacks(frames: Sequence[Frame]) -> tuple[list[Stack], list[Frame]]:
    """Sort frames into stacks, and into those that are pictures of their own.

    Args:
        frames: of all files, in any order.

    Returns:
        Stacks, and single frames: survey images, and what says nothing of where it lies.
    """
    stacks: list[Stack] = []
    alone: list[Frame] = []
    made: dict[str, list[list[Stack]]] = defaultdict(list)
    for group in _group(frames):
        first = group[0]
        found: list[Stack] = []
        if first.is_survey or (first.colours > 1 and first.count == 1):
            alone += group
        elif first.orientation is not None and all(frame.position is not None for frame in group) and len(group) > 1:
            found = _split_places(group)
        elif first.count > 1:
            found = [_keep_order(clip) for clip in _part(group, lambda frame: frame.source)]
        elif len(group) > 2 and first.modality in _SECTIONS and _have_numbers(group):
            found = [_order_by_number(group, "The files do not say where their slices lie")]
        else:
            alone += group
        if found:
            made[first.series].append(found)
    for groups in made.values():
        note = f"One of {len(groups)} stacks of one series, which differ in direction, size or spacing."
        for stack in (stack for group in groups for stack in group):
            stacks.append(replace(stack, notes=(note, *stack.notes)) if len(groups) > 1 else stack)
    return stacks, alone


def _part(members: Iterable[_M], key: Callable[[_M], object]) -> list[list[_M]]:
    parts: dict[object, list[_M]] = defaultdict(list)
    for member in members:
        parts[key(member)].append(member)
    return list(parts.values())


def _group(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames of one series, orientation, size and spacing."""
    groups: list[list[Frame]] = []
    for same in _part(frames, lambda one: (one.series, one.reference, one.size, one.colours, one.is_survey)):
        fitting: list[list[Frame]] = []
        for frame in same:
            home = next((group for group in fitting if _lie_alike(group[0], frame)), None)
            if home is None:
                fitting.append([frame])
            else:
                home.append(frame)
        groups += fitting
    return groups


def _lie_alike(one: Frame, other: Frame) -> bool:
    return _are_near(one.orientation, other.orientation) and _are_near(one.pitch, other.pitch)


def _are_near(one: tuple[float, ...] | None, other: tuple[float, ...] | None) -> bool:
    if one is None or other is None:
        return one is other
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= _ALIKE


def _keep_order(clip: Sequence[Frame]) -> Stack:
    ordered = tuple(sorted(clip, key=lambda frame: frame.index))
    return Stack(ordered, None, ("The frames follow each other as in the file.",))


def _have_numbers(group: Sequence[Frame]) -> bool:
    numbers = [frame.number for frame in group]
    return None not in numbers and len(set(numbers)) == len(numbers)


def _order_by_number(group: Sequence[Frame], why: str) -> Stack:
    ordered = sorted(group, key=_number)
    return Stack(tuple(ordered), None, (f"{why}: they stand in the order of the files' numbers.",))


def _number(frame: Frame) -> tuple[int, int]:
    return frame.number or 0, frame.index


def _split_places(group: Sequence[Frame]) -> list[Stack]:
    """Stacks of frames that all say where they lie, with no two at one place in each."""
    ordered = sorted(group, key=_number)
    if _are_apart(ordered):
        return [_lay_out(ordered)]
    for _, _, _, name in SPLITTERS:
        parts = _part(ordered, lambda frame, name=name: frame.splits.get(name))  # type: ignore[misc]
        if len(parts) > 1 and all(_are_apart(part) for part in parts) and max(map(len, parts)) > 1:
            return [_lay_out(part, f"Told from others at the same places by {name}.") for part in parts]
    rounds = _split_rounds(ordered)
    if len(rounds) > 1:
        note = "Told from others at the same places by the order of the files' numbers only."
        return [_lay_out(part, note) for part in rounds]
    down, across = _directions(ordered[0])
    fault = "Other planes cannot be shown: several slices lie at one place."
    geometry = Geometry(_origins(ordered), down, across, ordered[0].pitch or (1.0, 1.0), None, fault)
    stack = _order_by_number(ordered, "Several slices lie at one place, and nothing tells them apart")
    return [replace(stack, geometry=geometry)]


def _split_rounds(ordered: Sequence[Frame]) -> list[list[Frame]]:
    """The first of each place by their numbers, the second of each …; nothing where places have different counts."""
    places = np.round(_measure(ordered), 2)
    by_place = _part(range(len(ordered)), lambda at: places[at])
    counts = {len(same) for same in by_place}
    if len(by_place) < 2 or len(counts) > 1 or len({_number(frame) for frame in ordered}) < len(ordered):
        return []
    rounds = [sorted((ordered[same[k]] for same in by_place), key=_number) for k in range(counts.pop())]
    return rounds if all(_are_apart(part) for part in rounds) else []


def _directions(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Down and across, as unit vectors."""
    assert frame.orientation is not None
    across, down = np.array(frame.orientation[:3]), np.array(frame.orientation[3:])
    return down / np.linalg.norm(down), across / np.linalg.norm(across)


def _origins(frames: Sequence[Frame]) -> np.ndarray:
    return np.array([frame.position for frame in frames], dtype=np.float64)


def _measure(frames: Sequence[Frame]) -> np.ndarray:
    return find_distances(_origins(frames), *_directions(frames[0]))


def _are_apart(frames: Sequence[Frame]) -> bool:
    return have_places_of_their_own(_measure(frames))


def _lay_out(frames: Sequence[Frame], note: str = "") -> Stack:
    down, across = _directions(frames[0])
    arranged = arrange(_origins(frames), down, across, frames[0].pitch or (1.0, 1.0))
    slices: list[Frame | None] = [None] * (arranged.slots[-1] + 1)
    for which, slot in zip(arranged.order, arranged.slots, strict=True):
        slices[slot] = frames[which]
    notes = [note] if note else []
    missing = [str(at + 1) for at, frame in enumerate(slices) if frame is None]
    if missing:
        notes.append(_say_missing(missing))
    if arranged.geometry.fault:
        notes.append(arranged.geometry.fault)
    if frames[0].pitch is None:
        notes.append("The files do not say how large a pixel is: it counts as a millimetre.")
    return Stack(tuple(slices), arranged.geometry, tuple(notes))


def _say_missing(numbers: Sequence[str]) -> str:
    shown = ", ".join(numbers[:6]) + (" …" if len(numbers) > 6 else "")
    if len(numbers) == 1:
        return f"Slice {shown} is missing in the series: its place stays empty."
    return f"Slices {shown} are missing in the series, {len(numbers)} in all: their places stay empty."
