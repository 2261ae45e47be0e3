"""A region of a picture as a file says it: a box, outlines or runs of pixels; and its pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explain.errors import DataSetError, PictureError, make_printable
from explain.pictures.bounds import check_size
from explain.pictures.geometry import Box
from explain.pictures.region import contains

MOST_MARKED, MOST_OF_ONE, MOST_RINGS, MOST_CORNERS = 500_000, 2000, 1000, 4096
"""Regions of a file, and of a picture; outlines of a region, and corners of one."""

_FARTHEST = 1e6  # pixels from a picture's corner

UNNAMED = "region"
"""The name of a region that has none."""

LONGEST_NAME = 60


@dataclass(frozen=True)
class Marked:
    """A region of a picture, as its file says it: a box, outlines, or runs of pixels.

    Attributes:
        label: what it is called.
        box: in the picture's pixels.
        rings: outlines that belong to it together, each x, y, x, y …
        runs: lengths of runs of pixels, down each column and then the next, by turns outside and inside.
        size: height and width that the file says the picture has; None where it does not.
    """

    label: str = UNNAMED
    box: Box | None = None
    rings: tuple[tuple[float, ...], ...] = ()
    runs: tuple[int, ...] = ()
    size: tuple[int, int] | None = None

    def draw(self, size: tuple[int, int]) -> np.ndarray:
        """Its pixels in a picture of that height and width, `(H, W)` bool; those whose centre lies inside.

        Raises:
            DataSetError: the file says that the picture has another size.
        """
        if self.size is not None and self.size != size:
            raise DataSetError(
                f"Its regions are of a picture of {self.size[1]} × {self.size[0]} pixels, and it has "
                f"{size[1]} × {size[0]}."
            )
        if self.runs:
            inside = np.repeat(np.arange(len(self.runs)) % 2 == 1, self.runs)
            return inside.reshape(size[1], size[0]).T
        rings = [list(zip(ring[::2], ring[1::2], strict=True)) for ring in self.rings]
        if self.box is not None:
            rings.append([*self.box.corners])
        mask = np.zeros(size, bool)
        for ring in rings:
            # Only where it may be: a file may have thousands of small ones of a large picture.
            rows, columns = (
                np.arange(max(math.floor(min(along)), 0), min(math.ceil(max(along)), side))
                for along, side in zip(list(zip(*ring, strict=True))[::-1], size, strict=True)
            )
            mask[np.ix_(rows, columns)] |= contains(ring, columns + 0.5, rows + 0.5)
        return mask


def read_numbers(values: Sequence[object]) -> list[float] | None:
    """Numbers that can be places in a picture; None where one cannot."""
    try:
        numbers = [float(value) for value in values]  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if all(abs(number) <= _FARTHEST for number in numbers) else None


def span_box(left: float, top: float, width: float, height: float) -> Box:
    """The box that begins there and is so large."""
    return Box(left, top, left + width, top + height)


def read_label(text: object) -> str:
    """The name of a region, fit for a column."""
    return make_printable(str(text).strip(), LONGEST_NAME) or UNNAMED


def check_picture(height: object, width: object) -> tuple[int, int] | None:
    """The size that a file says of a picture; None where it is none that is read."""
    if not isinstance(height, int) or not isinstance(width, int):
        return None
    try:
        check_size(height, width)
    except PictureError:
        return None
    return height, width
