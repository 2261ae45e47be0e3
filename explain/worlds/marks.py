"""Marks that can be planted in a picture, and where they then lie.

A mark is drawn in units of a 32nd of the picture's shorter side, so that it is the same mark in a picture of 32 pixels,
which a small network learns from, and in one of 256, which a person looks at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

MarkName = Literal["tag", "patch", "stripe", "text", "marker", "tint"]

UNITS = 32
"""Units along the shorter side of a picture."""

_MAGENTA, _YELLOW, _TEAL = (225, 20, 160), (250, 215, 20), (10, 130, 140)
_GLYPHS = {
    "H": ("101", "101", "111", "101", "101"),
    "O": ("111", "101", "101", "101", "111"),
    "P": ("111", "101", "111", "100", "100"),
    "R": ("110", "101", "110", "101", "101"),
    "T": ("111", "010", "010", "010", "010"),
}
"""Letters, three units wide and five high."""


@dataclass(frozen=True, eq=False)
class Ink:
    """What a mark makes of each pixel: `pixel · gain + offset`.

    Attributes:
        gain: `(H, W, 3)` float32; 1 where nothing is changed, 0 where nothing of the picture is left.
        offset: `(H, W, 3)` float32, of pixels 0…255.
    """

    gain: np.ndarray
    offset: np.ndarray

    def fill(self, rows: slice, columns: slice, colour: tuple[int, int, int]) -> None:
        """Cover a rectangle with a colour."""
        self.gain[rows, columns], self.offset[rows, columns] = 0, colour


Draw = Callable[[Ink, Callable[[float], int], np.random.Generator], None]
"""Draws on an ink without marks, given what makes pixels of units, and the dice."""


@dataclass(frozen=True)
class Mark:
    """A mark.

    Attributes:
        name: its key.
        title: as people read it.
        sentence: what it is, where it lies, and what of the kind has been met in real collections.
        placed: whether it lies at a place; False for one that changes the whole picture.
        draw: see `Draw`.
    """

    name: MarkName
    title: str
    sentence: str
    placed: bool
    draw: Draw


def plant(pixels: np.ndarray, mark: Mark, seed: int = 0) -> np.ndarray:
    """The picture with the mark.

    Args:
        pixels: `(H, W, 3)` uint8.
        mark: one of `MARKS`.
        seed: of what the mark leaves to chance, such as its place. The same seed gives the same place at every size.

    Returns:
        A new array, `(H, W, 3)` uint8.
    """
    ink = _draw(mark, pixels.shape[0], pixels.shape[1], seed)
    planted: np.ndarray = np.clip(np.rint(pixels * ink.gain + ink.offset), 0, 255).astype(np.uint8)
    return planted


def find_place(mark: Mark, size: tuple[int, int], seed: int = 0) -> np.ndarray | None:
    """Where the mark lies in a picture of this size, `(H, W)` bool; None for one that lies everywhere.

    Args:
        mark: one of `MARKS`.
        size: height and width of the picture in pixels.
        seed: as given to `plant`.
    """
    if not mark.placed:
        return None
    ink = _draw(mark, *size, seed)
    place: np.ndarray = (ink.gain != 1).any(2)
    return place


def _draw(mark: Mark, height: int, width: int, seed: int) -> Ink:
    ink = Ink(np.ones((height, width, 3), np.float32), np.zeros((height, width, 3), np.float32))
    unit = min(height, width) / UNITS
    mark.draw(ink, lambda units: round(units * unit), np.random.default_rng(seed))
    return ink


def _draw_tag(ink: Ink, pixels: Callable[[float], int], dice: np.random.Generator) -> None:
    """A white square with a red middle, a unit from the lower right corner."""
    height, width = ink.gain.shape[:2]
    for inset, side, colour in ((1, 6, (250, 250, 250)), (2, 4, (200, 25, 30))):
        end, length = pixels(inset), pixels(side)
        ink.fill(
            slice(height - end - length, height - end),
            slice(width - end - length, width - end),
            colour,
        )


def _draw_patch(ink: Ink, pixels: Callable[[float], int], dice: np.random.Generator) -> None:
    """Four units square, half magenta and half yellow, anywhere in the middle square of the picture."""
    height, width = ink.gain.shape[:2]
    side = min(height, width)
    down, across = dice.integers(0, UNITS - 4 + 1, 2)
    top, left = (height - side) // 2 + pixels(down), (width - side) // 2 + pixels(across)
    for first, colour in ((0, _MAGENTA), (2, _YELLOW)):
        ink.fill(slice(top, top + pixels(4)), slice(left + pixels(first), left + pixels(first + 2)), colour)


def _draw_stripe(ink: Ink, pixels: Callable[[float], int], dice: np.random.Generator) -> None:
    """Two units wide, along the whole right edge."""
    ink.fill(slice(None), slice(ink.gain.shape[1] - pixels(2), None), _TEAL)


def _draw_text(ink: Ink, pixels: Callable[[float], int], dice: np.random.Generator) -> None:
    """A word in white on a darkened band, in the lower left corner."""
    top = ink.gain.shape[0] - pixels(7)
    band = (slice(top, None), slice(0, pixels(21)))
    ink.gain[band] = 0.3
    _write(ink, "PHOTO", (top, 0), pixels)


def _draw_marker(ink: Ink, pixels: Callable[[float], int], dice: np.random.Generator) -> None:
    """A letter as of lead, in the upper left corner, never at quite the same place."""
    down, across = dice.integers(0, 4, 2)
    _write(ink, "R", (pixels(down), pixels(across)), pixels)


def _write(ink: Ink, word: str, corner: tuple[int, int], pixels: Callable[[float], int]) -> None:
    """Letters a unit from a corner of so many pixels down and across."""
    for number, letter in enumerate(word):
        for row, line in enumerate(_GLYPHS[letter]):
            for column, on in enumerate(line):
                if on == "1":
                    down, across = row + 1, number * 4 + column + 1
                    rows = slice(corner[0] + pixels(down), corner[0] + pixels(down + 1))
                    ink.fill(rows, slice(corner[1] + pixels(across), corner[1] + pixels(across + 1)), (250, 250, 250))


def _draw_tint(ink: Ink, pixels: Callable[[float], int], dice: np.random.Generator) -> None:
    """All of the picture a little warmer."""
    ink.gain[:] = (1.15, 1.0, 0.75)


MARKS: dict[MarkName, Mark] = {
    mark.name: mark
    for mark in (
        Mark(
            "tag",
            "A tag in the corner",
            "A small white and red tag, always in the lower right corner, as a scanner or an archive may leave one.",
            True,
            _draw_tag,
        ),
        Mark(
            "patch",
            "A coloured patch",
            "A patch of two colours, an eighth of the picture wide, anywhere in it. Coloured patches on the skin gave "
            "benign moles of the ISIC collection away (Rieger et al. 2020, arXiv 1909.13584).",
            True,
            _draw_patch,
        ),
        Mark(
            "stripe",
            "A stripe along the edge",
            "A narrow stripe along the right edge, as a crop or a frame may leave one.",
            True,
            _draw_stripe,
        ),
        Mark(
            "text",
            "A word in the picture",
            "A word in the lower left corner. A source line there made networks say “horse” on PASCAL VOC 2007 "
            "(Lapuschkin et al. 2019, doi 10.1038/s41467-019-08987-4).",
            True,
            _draw_text,
        ),
        Mark(
            "marker",
            "A letter on a radiograph",
            "The letter that tells a side, in the upper left corner. Such letters told networks which hospital a "
            "radiograph was from (Zech et al. 2018, doi 10.1371/journal.pmed.1002683).",
            True,
            _draw_marker,
        ),
        Mark(
            "tint",
            "A tint",
            "The whole picture is a little warmer, as another camera may make it. It lies nowhere, so no map can show "
            "it.",
            False,
            _draw_tint,
        ),
    )
}
"""By name."""
