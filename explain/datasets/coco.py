"""Regions in COCO's JSON (cocodataset.org/#format-data): boxes, outlines, and runs of pixels as numbers or packed.

The packed form is read here and not by pycocotools, whose C code trusts what it is given.
"""

from __future__ import annotations

import json
from typing import Any

from explain.datasets.marked import (
    MOST_CORNERS,
    MOST_MARKED,
    MOST_RINGS,
    Marked,
    check_picture,
    read_label,
    read_numbers,
    span_box,
)
from explain.errors import DataSetError

_MOST_RUNS = 1_000_000
_MOST_LETTERS = 7
"""Of a packed number: 35 bits."""


def read_coco(data: bytes, name: str) -> dict[str, list[Marked]]:
    """By the file's name of each picture, its regions. Of a segmented thing the box is passed over.

    Args:
        data: the file.
        name: what to call it in an error.

    Raises:
        DataSetError: it is no such file, or something in it is no region.
    """
    try:
        told = json.loads(data)
        images = {one["id"]: one for one in told["images"]}
        categories = {one["id"]: read_label(one["name"]) for one in told.get("categories", [])}
        annotations = list(told["annotations"])
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        raise DataSetError(
            f"“{name}” is no COCO file: it needs “images” with “id” and “file_name”, and “annotations”."
        ) from None
    if len(annotations) > MOST_MARKED:
        raise DataSetError(f"“{name}” has more than {MOST_MARKED:,} regions, which is the most that is read.")
    found: dict[str, list[Marked]] = {}
    for number, one in enumerate(annotations, 1):
        try:
            image = images[one["image_id"]]
            size = check_picture(image.get("height"), image.get("width"))
            label = categories.get(one.get("category_id"), read_label(""))
            found.setdefault(str(image["file_name"]), []).append(_read_one(one, label, size))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            reason = str(error) if type(error) is ValueError else "it names no picture of the file"
            raise DataSetError(f"“{name}”, annotation {number}: {reason}. Mend it, or leave it out.") from None
    return found


def _read_one(told: dict[str, Any], label: str, size: tuple[int, int] | None) -> Marked:
    """A region; a ValueError says what is wrong with it."""
    shape = told.get("segmentation")
    if isinstance(shape, dict):
        lies = shape.get("size")
        size = check_picture(*lies) if isinstance(lies, list) and len(lies) == 2 else None
        if size is None:
            raise ValueError("its runs have no size that is read")
        return Marked(label, runs=_read_runs(shape.get("counts"), size), size=size)
    if shape:
        if not isinstance(shape, list) or len(shape) > MOST_RINGS:
            raise ValueError(f"its outlines are no list of at most {MOST_RINGS:,}")
        rings = []
        for ring in shape:
            if not isinstance(ring, list) or len(ring) % 2 or not 6 <= len(ring) <= 2 * MOST_CORNERS:
                raise ValueError(f"an outline has 3 to {MOST_CORNERS} corners, each x and y")
            numbers = read_numbers(ring)
            if numbers is None:
                raise ValueError("an outline holds something that is no number")
            rings.append(tuple(numbers))
        return Marked(label, rings=tuple(rings), size=size)
    edges = told.get("bbox")
    numbers = read_numbers(edges) if isinstance(edges, list) and len(edges) == 4 else None
    if numbers is None:
        raise ValueError("it has neither an outline nor a box of four numbers")
    return Marked(label, span_box(*numbers), size=size)


def _read_runs(counts: object, size: tuple[int, int]) -> tuple[int, ...]:
    """The lengths of runs, which must fill the picture."""
    if isinstance(counts, str):
        counts = _unpack(counts)
    pixels = size[0] * size[1]
    if not isinstance(counts, list) or not 0 < len(counts) <= min(_MOST_RUNS, pixels + 1):
        raise ValueError("its runs are no list of numbers")
    if not all(type(count) is int and 0 <= count <= pixels for count in counts) or sum(counts) != pixels:
        raise ValueError("its runs do not fill the picture")
    return tuple(counts)


def _unpack(text: str) -> list[int]:
    """Runs from their packed form: numbers in letters of 5 bits from “0” on, the lowest first, bit 32 if more follow,
    and bit 16 of the last for a number below zero. From the fourth on each is told by what it differs from the one two
    before it.
    """
    found: list[int] = []
    at = 0
    while at < len(text) and len(found) <= _MOST_RUNS:
        value, letters = 0, 0
        while True:
            letter = ord(text[at]) - 48 if at < len(text) else -1
            if not 0 <= letter < 64 or letters == _MOST_LETTERS:
                raise ValueError("its packed runs are damaged")
            value |= (letter & 31) << (5 * letters)
            at, letters = at + 1, letters + 1
            if not letter & 32:
                break
        if letter & 16:
            value -= 1 << (5 * letters)
        found.append(value + (found[-2] if len(found) > 2 else 0))
    return found
