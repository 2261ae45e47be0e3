"""Regions of pictures that somebody marked, in a file that nobody vouches for: boxes in a CSV, or COCO's JSON.

A file's names of pictures are compared with those of a collection, and never opened.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np

from explain.datasets.coco import read_coco
from explain.datasets.marked import LONGEST_NAME, MOST_MARKED, MOST_OF_ONE, Marked, read_label, read_numbers, span_box
from explain.datasets.table import read_rows
from explain.errors import DataSetError, make_printable
from explain.pictures.geometry import Box

MAX_FILE = 128 * 2**20
"""Bytes of a file of regions."""

MOST_NAMES = 100
"""Different names of regions in a file."""

_FILES = ("file", "picture", "image", "file name", "filename", "file_name", "image index", "sha256")
_LABELS = ("label", "class", "name", "region", "category")
_EDGES = ("left", "top", "right", "bottom")
_SIDES = (("x", "y", "width", "height"), ("x", "y", "w", "h"))


@dataclass(frozen=True)
class Regions:
    """The regions of many pictures.

    Attributes:
        pictures: by a picture's path, name or SHA-256, as the file calls it, its regions.
    """

    pictures: Mapping[str, tuple[Marked, ...]] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What regions are called, by the alphabet."""
        return tuple(sorted({one.label for some in self.pictures.values() for one in some}))

    @cached_property
    def digest(self) -> str:
        """Of all of it: SHA-256, hexadecimal."""
        told = {name: [asdict(one) for one in some] for name, some in self.pictures.items()}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def find(self, names: Sequence[str]) -> tuple[Marked, ...]:
        """The regions of a picture that goes by any of these names, the first that the file knows."""
        return next((self.pictures[name] for name in names if name in self.pictures), ())


def list_names(uri: str, digest: str, known: Counter[str]) -> list[str]:
    """What a file of regions may call a picture: its path in the collection, its SHA-256, or its file's name alone if
    no other picture is called so.

    Args:
        uri: its path; empty where that was not kept.
        digest: SHA-256 of its bytes.
        known: how many pictures of the collection have each file's name; see `find_name`.
    """
    name = find_name(uri)
    return list(filter(None, [uri, uri.partition("!")[2], digest, name if known[name] == 1 else ""]))


def find_name(uri: str) -> str:
    """A file's name, of a path in a collection."""
    return uri.rpartition("!")[2].rpartition("/")[2]


def draw_regions(marked: Sequence[Marked], size: tuple[int, int]) -> dict[str, np.ndarray]:
    """The pixels of a picture's regions by their names, `(H, W)` bool; those of one name are taken together.

    Raises:
        DataSetError: the file says that the picture has another size.
    """
    drawn: dict[str, np.ndarray] = {}
    for one in marked:
        mask = one.draw(size)
        drawn[one.label] = drawn[one.label] | mask if one.label in drawn else mask
    return drawn


def read_regions(data: bytes, name: str) -> Regions:
    """Regions from a file.

    Args:
        data: a CSV with a heading, `file`, `left`, `top`, `right`, `bottom` (or `x`, `y`, `width`, `height`) and, if
            regions have names, `label`; or COCO's JSON with boxes, outlines or runs. In the picture's pixels.
        name: what to call the file in an error.

    Raises:
        DataSetError: it is neither, is damaged, or is larger than is read.
    """
    name = make_printable(name, LONGEST_NAME)
    if len(data) > MAX_FILE:
        raise DataSetError(
            f"“{name}” is larger than {MAX_FILE // 2**20} MB. Leave pictures out that are not asked about."
        )
    if data.lstrip()[:1] == b"{":
        found = read_coco(data, name)
    else:
        found = _read_csv(data, name)
    regions = Regions({key: tuple(some) for key, some in found.items()})
    if not regions.pictures:
        raise DataSetError(f"“{name}” has no region of any picture.")
    if any(len(some) > MOST_OF_ONE for some in regions.pictures.values()):
        raise DataSetError(
            f"“{name}” has a picture of more than {MOST_OF_ONE:,} regions, which is the most that is read."
        )
    if len(regions.names) > MOST_NAMES:
        raise DataSetError(f"“{name}” has {len(regions.names):,} names of regions; at most {MOST_NAMES} are read.")
    return regions


def _read_csv(data: bytes, name: str) -> dict[str, list[Marked]]:
    rows = [row for row in read_rows(data) if any(row)]
    headings = [heading.lower() for heading in rows[0]] if rows else []
    file = next((headings.index(known) for known in _FILES if known in headings), None)
    label = next((headings.index(known) for known in _LABELS if known in headings), None)
    kind = next((known for known in (_EDGES, *_SIDES) if set(known) <= set(headings)), None)
    if file is None or kind is None:
        raise DataSetError(
            f"“{name}” needs the columns “file” and “left”, “top”, “right”, “bottom” (or “x”, “y”, “width”, “height”), "
            "with these names in its first line; or give COCO's JSON."
        )
    places = [headings.index(column) for column in kind]
    found: dict[str, list[Marked]] = {}
    for number, row in enumerate(rows[1:], 2):
        row = [*row, *[""] * (len(headings) - len(row))]
        told = [row[place] for place in places]
        if not any(told):  # a picture without a box stands in many tables
            continue
        numbers = read_numbers(told)
        if numbers is None:
            said = make_printable(" ".join(told), 40)
            raise DataSetError(f"“{name}”, row {number}: “{said}” is no box of four numbers.")
        one = Marked(
            read_label(row[label] if label is not None else ""),
            Box(*numbers) if kind is _EDGES else span_box(*numbers),
        )
        found.setdefault(row[file], []).append(one)
        if number > MOST_MARKED:
            raise DataSetError(f"“{name}” has more than {MOST_MARKED:,} regions, which is the most that is read.")
    return found
