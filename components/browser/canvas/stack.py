"""What the browser is told of the series that a row's picture is a slice of, so that it scrolls and windows by itself.

Slices go to the browser as their own numbers, one file each, named by digests, and only those near the one in view.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from components.browser.canvas.files import publish
from explain.maps.render import encode_png

if TYPE_CHECKING:
    from explain.volumes.numbers import Numbers
    from explain.volumes.planes import Plane
    from explain.volumes.volume import Volume
    from explain.volumes.windows import Window

PLANE_NAMES: dict[Plane, str] = {
    "stack": "As scanned",
    "axial": "Axial",
    "coronal": "Coronal",
    "sagittal": "Sagittal",
}
"""What people call the planes."""

AHEAD = 8
"""Slices on either side of the one in view that are sent ahead; fewer of large ones."""

_MOST_AHEAD = 16 * 2**20  # bytes of all that are sent ahead, unpacked
_FEWEST_AHEAD = 2

_QUICKLY = 1  # zlib's level: 140 slices of 512² take 1.3 s at it

_OF_A_MAP = ("map", "box", "painting", "strength", "faint", "alt", "message")

SliceMaps = Callable[[int], Mapping[str, Any] | None]


@dataclass(frozen=True, eq=False)
class Stack:
    """The series that a row's picture is a slice of.

    Attributes:
        volume: the series.
        plane: in which plane it is scrolled.
        index: which slice of it the row's picture is, from 0.
        window: through which window slices are shown: a name in `Volume.windows`, or centre and width as `40/80`.
        inverted: whether they are shown black for white.
        follows: whether the row's picture, which the model is given, is seen through that window.
        given: what is said of the window of that picture, where it is another.
        near: the slice around which slices are sent; None for `index`.
        maps: the maps of a slice that is explained already, as panes by key; None of one that is not.
        answer: a name for all that these depend on: the browser keeps maps while it stays the same.
        ends: by key of a pane, the lowest and the highest value of its maps in the whole stack, where they share one
            scale.
        link: how it scrolls together with another series on the canvas: the digest of that one, and for each slice the
            one of it that goes along.
        said: what is said below the bar.
        cross: the voxel (slice, row, column, as stored) under the crosshair of the other planes; None while these are
            closed.
    """

    volume: Volume
    plane: Plane
    index: int
    window: str = ""
    inverted: bool = False
    follows: bool = True
    given: str = ""
    near: int | None = None
    maps: SliceMaps | None = None
    answer: str = ""
    ends: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    link: tuple[str, Sequence[int]] | None = None
    said: str = ""
    cross: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Place:
    """What a person looks at in a stack, once the hand rests.

    Attributes:
        volume: digest of the series.
        plane: in which plane.
        index: which slice of it, from 0.
        window: as `Stack.window`.
        inverted: black for white.
    """

    volume: str
    plane: Plane
    index: int
    window: str
    inverted: bool


def read_place(reported: Any) -> Place | None:
    """The place that the browser reported, where it is one. Whether there is such a slice is not looked at."""
    if not isinstance(reported, Mapping):
        return None
    volume, plane, index, window = (reported.get(name) for name in ("volume", "plane", "index", "window"))
    if not (isinstance(volume, str) and isinstance(plane, str) and isinstance(window, str)):
        return None
    if isinstance(index, bool) or not isinstance(index, int):
        return None
    known = next((one for one in PLANE_NAMES if one == plane), None)
    return None if known is None else Place(volume, known, index, window, reported.get("inverted") is True)


def read_places(reported: Any) -> list[Place]:
    """The places that the browser reported at once, one a series."""
    places = [read_place(one) for one in reported] if isinstance(reported, list) else []
    return [place for place in places if place is not None]


def read_cross(reported: Any, volume: Volume) -> tuple[int, int, int] | None:
    """The voxel under the crosshair that the browser reported of a series; None where its other planes are closed."""
    voxel = reported.get(volume.digest) if isinstance(reported, Mapping) else None
    if not isinstance(voxel, list) or len(voxel) != 3 or not all(type(part) is int for part in voxel):
        return None
    is_inside = all(0 <= part < side for part, side in zip(voxel, volume.stored.shape, strict=False))
    return (voxel[0], voxel[1], voxel[2]) if is_inside else None


def describe_stack(stack: Stack, describe_pane: Callable[[Any], dict[str, Any]], key: str) -> dict[str, Any]:
    """A stack as the browser gets it.

    Args:
        stack: the stack.
        describe_pane: how a pane of the row is described.
        key: of the row on its canvas.
    """
    volume, plane = stack.volume, stack.plane
    count = volume.count(plane)
    centre = stack.index if stack.near is None else min(max(stack.near, 0), count - 1)
    reach = count_ahead(volume, plane)
    ahead = sorted(range(max(centre - reach, 0), min(centre + reach + 1, count)), key=lambda at: abs(at - centre))
    near = sorted({stack.index, *ahead}, key=lambda at: (at != stack.index, abs(at - centre)))
    slices = {at: _describe_slice(volume, plane, at, f"{key}:slice") for at in near}
    maps = {at: _describe_maps(stack, at, describe_pane, f"{key}:maps") for at in ahead if stack.maps is not None}
    return {
        "volume": volume.digest,
        "name": volume.name,
        "plane": plane,
        "title": "" if plane == "stack" else PLANE_NAMES[plane],
        "index": stack.index,
        "count": count,
        "reach": reach,
        "window": stack.window or next(iter(volume.windows), ""),
        "inverted": stack.inverted,
        "follows": stack.follows,
        "said": " ".join(filter(None, [stack.said, stack.given])),
        "link": None if stack.link is None else {"volume": stack.link[0], "indices": list(stack.link[1])},
        "windows": [_describe_window(volume, name) for name in volume.windows],
        "unit": volume.unit,
        "padding": volume.padding,
        "seconds": volume.seconds,
        "missing": [at for at in range(count) if _is_missing(volume, plane, at)],
        "view": _describe_view(volume, plane),
        "slices": {at: described for at, described in slices.items() if described is not None},
        "maps": {at: described for at, described in maps.items() if described is not None},
        "answer": stack.answer,
        "ends": {name: list(ends) for name, ends in stack.ends.items()},
        "planes": [
            {"plane": name, "title": title, "count": volume.count(name), "view": _describe_view(volume, name)}
            for name, title in PLANE_NAMES.items()
            if name != "stack" and not volume.planes[name]
        ],
        "fault": volume.planes["axial"],
        "block": None if stack.cross is None else _describe_block(volume, f"{key}:block"),
        "crossing": {} if stack.cross is None else _describe_crossing(volume, stack.cross, key),
    }


def count_ahead(volume: Volume, plane: Plane) -> int:
    """How many slices on either side of the one in view are sent ahead."""
    _, rows, columns = volume.get_view(plane).count(volume.stored.shape)
    size = rows * columns * min(volume.stored.itemsize, 4) * (volume.stored.shape[3] if volume.stored.ndim == 4 else 1)
    return min(max(_MOST_AHEAD // (2 * size), _FEWEST_AHEAD), AHEAD)


def _describe_crossing(volume: Volume, cross: tuple[int, int, int], key: str) -> dict[str, Any]:
    """By plane, the slice under the crosshair with all its numbers."""
    found: dict[str, Any] = {}
    for plane in PLANE_NAMES:
        if plane == "stack" or volume.planes[plane]:
            continue
        index = volume.get_view(plane).find_place(cross, volume.stored.shape)[0]
        described = _describe_slice(volume, plane, index, f"{key}:{plane}")
        if described is not None:
            found[plane] = {"index": index, **described}
    return found


def _describe_block(volume: Volume, place: str) -> dict[str, Any] | None:
    """The whole stack, thinned out, as a file; None in colour."""
    packed = _encode_block(volume, volume.digest)
    if packed is None:
        return None
    data, described = packed
    name = hashlib.sha256(f"block {volume.digest}".encode()).hexdigest()
    own = [name for name, one in volume.windows.items() if isinstance(one, int)]
    return {
        **{"url": publish(data, "application/gzip", f"{name}.gz", place), "key": name},
        **described,
        "windows": {name: _write_window(volume.choose_window(name, described["at"])) for name in own},
    }


@st.cache_resource(max_entries=2, ttl="1h", show_spinner=False)
def _encode_block(_volume: Volume, digest: str) -> tuple[bytes, dict[str, Any]] | None:
    from explain.volumes.numbers import cut_block

    cut = cut_block(_volume)
    if cut is None:
        return None
    numbers, steps = cut
    data, described = pack_numbers(numbers)
    return data, {**described, "steps": list(steps), "shape": list(numbers.stored.shape)}


def _describe_view(volume: Volume, plane: Plane) -> dict[str, Any]:
    """Size, shape, sides and gaps of the slices of a plane."""
    view = volume.get_view(plane)
    _, rows, columns = view.count(volume.stored.shape)
    height, width = volume.size(plane)
    measured, edges = volume.measure(plane), volume.name_edges(plane)
    described: dict[str, Any] = {
        "axes": list(view.axes),
        "flips": list(view.flips),
        "shape": list(volume.stored.shape[:3]),
        "rows": rows,
        "columns": columns,
        "height": height,
        "width": width,
        "mm": None if measured is None or not min(measured[1:]) > 0 else [round(part, 6) for part in measured],
        "edges": None if edges is None else edges._asdict(),
        "unknown": volume.sides_unknown,
        "gaps": None,
        "turn": None,
    }
    if view.axes[0] != 0 and volume.missing:
        along = 0 if view.axes[1] == 0 else 1
        depth = len(volume.stored)
        places = [depth - 1 - at if view.flips[1 + along] else at for at in volume.missing]
        described["gaps"] = {"across": along == 1, "places": sorted(places)}
    if volume.geometry is not None and not volume.sides_unknown:
        directions = view.direct(volume.geometry.directions)
        described["turn"] = {"down": directions[1].round(6).tolist(), "across": directions[2].round(6).tolist()}
    return described


def _is_missing(volume: Volume, plane: Plane, index: int) -> bool:
    view = volume.get_view(plane)
    if view.axes[0] != 0:
        return False
    return not volume.present[len(volume.stored) - 1 - index if view.flips[0] else index]


def _describe_window(volume: Volume, name: str) -> dict[str, Any]:
    """A window by its name; one that each slice's own file names has no numbers here, but with the slices."""
    window = volume.windows[name]
    return {"name": name} if isinstance(window, int) else {"name": name, **_write_window(window)}


def _write_window(window: Window) -> dict[str, Any]:
    described: dict[str, Any] = {"centre": window.centre, "width": window.width, "function": window.function}
    if window.table is not None:
        greys = np.rint(np.asarray(window.table[0], np.float32) * 255).astype(np.uint8)
        described["table"] = {"greys": base64.b64encode(greys.tobytes()).decode("ascii"), "first": window.table[1]}
    return described


def _describe_slice(volume: Volume, plane: Plane, index: int, place: str) -> dict[str, Any] | None:
    """A slice's file and what is to be known to show it; None where it is missing."""
    encoded = _encode_slice(volume, volume.digest, plane, index)
    if encoded is None:
        return None
    data, described = encoded
    name = hashlib.sha256(f"numbers {volume.digest} {plane} {index}".encode()).hexdigest()
    own = [name for name, one in volume.windows.items() if isinstance(one, int)]
    kind, ending = ("image/png", "png") if described["type"] == "png" else ("application/gzip", "gz")
    return {
        **{"url": publish(data, kind, f"{name}.{ending}", f"{place}:{index % (4 * AHEAD)}"), "key": name},
        **described,
        "windows": {name: _write_window(volume.choose_window(name, described["at"])) for name in own},
        "origin": _find_origin(volume, plane, index),
    }


def _find_origin(volume: Volume, plane: Plane, index: int) -> list[float] | None:
    """Where the centre of a slice's first pixel lies, in LPS millimetres; None where nobody knows."""
    if volume.geometry is None or volume.sides_unknown:
        return None
    voxel = volume.get_view(plane).find_voxel((index, 0, 0), volume.stored.shape)
    return [round(part, 3) for part in volume.geometry.locate(voxel)]


@st.cache_resource(max_entries=64, ttl="1h", show_spinner=False)
def _encode_slice(_volume: Volume, digest: str, plane: Plane, index: int) -> tuple[bytes, dict[str, Any]] | None:
    """A slice's numbers, packed, or its picture where it has colours; None where it is missing. Kept by digest."""
    from explain.volumes.numbers import cut_numbers

    if _volume.stored.ndim == 4:
        shown = encode_png(_volume.slice(index, plane).pixels) if _volume.present[index] else None
        return None if shown is None else (shown, {"type": "png", "at": index, "exact": True})
    numbers = cut_numbers(_volume, plane, index)
    return None if numbers is None else pack_numbers(numbers)


def pack_numbers(numbers: Numbers) -> tuple[bytes, dict[str, Any]]:
    """Numbers as gz bytes, rows from the top, little-endian, and what the browser is told of them."""
    stored = numbers.stored
    data = gzip.compress(np.ascontiguousarray(stored, stored.dtype.newbyteorder("<")).tobytes(), _QUICKLY, mtime=0)
    described = {
        "type": stored.dtype.name,
        "slope": numbers.slope,
        "intercept": numbers.intercept,
        "turned": numbers.inverted,
        "at": numbers.at,
        "exact": numbers.is_exact,
    }
    return data, described


def _describe_maps(
    stack: Stack, index: int, describe_pane: Callable[[Any], dict[str, Any]], place: str
) -> dict[str, Any] | None:
    """The maps of an explained slice as a file; None of one that is not explained, or of the row's own."""
    panes: Mapping[str, Any] | None = None
    if stack.maps is not None and index != stack.index:
        panes = stack.maps(index)
    if panes is None:
        return None
    whole = {name: describe_pane(pane) for name, pane in panes.items()}
    described = {name: {part: one[part] for part in _OF_A_MAP} for name, one in whole.items()}
    data = gzip.compress(json.dumps(described).encode(), _QUICKLY, mtime=0)
    name = hashlib.sha256(data).hexdigest()
    return {"url": publish(data, "application/gzip", f"{name}.gz", f"{place}:{index % (4 * AHEAD)}"), "key": name}
