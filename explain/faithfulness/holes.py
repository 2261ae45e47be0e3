"""Regions as holes in what the model sees: where they are, the same hole at other places, and how they are filled.

Filled is the model's input, not the picture: it is small, so that hundreds of holes take no time, and outside a hole
the model is given what it was given before, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from explain.errors import PictureError
from explain.pictures.geometry import Box, Preprocessing
from explain.pictures.painting import Paint, paint_over
from explain.pictures.picture import build_picture
from explain.pictures.region import Region, mask_region

if TYPE_CHECKING:
    from torch import Tensor

CONTROLS = 19
"""Other places at which the same hole is made: of 20 places one is first by chance in one of 20."""

FEWEST_CONTROLS = 7
"""With fewer such places nothing is said of how a region compares."""

_SAMPLES = 4  # along each side of a pixel of the input, at which a region is read
_STEPS = 24  # places of a hole along the shorter side: others are too near to be another place
_MOST_OVERLAP = 0.25  # of a hole with its region
_NEAR = 3  # pixels within which two holes are filled as one: the least width of the surroundings that are looked at
_MOST_CELLS = 4  # along a side of a grid


def lay_on_input(mask: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """Which pixels of the model's input lie in a region by half or more, `size` bool.

    Args:
        mask: the region, of the whole picture, `(H, W)` bool.
        box: the rectangle of the picture that the input shows.
        size: height and width of the input.
    """
    indices, inside = [], []
    for span, count, side in zip(box.spans, size, mask.shape, strict=True):
        at = np.floor(span.to_pixels(np.arange(count * _SAMPLES), count * _SAMPLES)).astype(int)
        indices.append(np.clip(at, 0, side - 1))
        inside.append((at >= 0) & (at < side))
    samples = mask[np.ix_(*indices)] & np.logical_and.outer(*inside)
    shares = samples.reshape(size[0], _SAMPLES, size[1], _SAMPLES).mean((1, 3))
    covered: np.ndarray = shares >= 0.5
    return covered


def open_hole(name: str, region: Region, size: tuple[int, int], box: Box, input_size: tuple[int, int]) -> np.ndarray:
    """A region as a hole in the model's input, `(h, w)` bool.

    Args:
        name: what a person calls it.
        region: a rectangle, an outline or a mask, in the picture's pixels.
        size: height and width of the picture.
        box: the rectangle of it that the input shows.
        input_size: height and width of the input.

    Raises:
        PictureError: it is no region, the model did not see it, or it is all that the model saw.
    """
    hole = lay_on_input(mask_region(region, size), box, input_size)
    if not hole.any():
        raise PictureError(
            f"Of “{name}” the model saw nothing, or less than a pixel of its input. Draw it larger, inside the frame "
            "that shows what the model saw."
        )
    if hole[find_seen(size, box, input_size)].all():
        raise PictureError(
            f"“{name}” is all that the model saw, so nothing would be left around it. Draw a smaller one."
        )
    return hole


def find_seen(size: tuple[int, int], box: Box, input_size: tuple[int, int]) -> np.ndarray:
    """Which pixels of the input show the picture, and no padding, `(h, w)` bool."""
    return lay_on_input(np.ones(size, dtype=bool), box, input_size)


def find_controls(hole: np.ndarray, seen: np.ndarray, seed: int, count: int = CONTROLS) -> np.ndarray:
    """The same hole at other places that are wholly on the picture and share less than a quarter with the region.

    Args:
        hole: `(h, w)` bool.
        seen: where the input shows the picture, `(h, w)` bool.
        seed: of the draw.
        count: how many at most.

    Returns:
        `(n, h, w)` bool, none twice; fewer than `count` where there are not so many places.
    """
    step = max(min(hole.shape) // _STEPS, 1)
    rows, columns = np.nonzero(hole)
    downs = np.arange(-rows.min() // step, (hole.shape[0] - 1 - rows.max()) // step + 1) * step
    acrosses = np.arange(-columns.min() // step, (hole.shape[1] - 1 - columns.max()) // step + 1) * step
    shifts = np.stack(np.meshgrid(downs, acrosses, indexing="ij"), -1).reshape(-1, 2)
    controls: list[np.ndarray] = []
    for down, across in np.random.default_rng(seed).permutation(shifts):
        to_rows, to_columns = rows + down, columns + across
        if min(to_rows.min(), to_columns.min()) < 0 or not seen[to_rows, to_columns].all():
            continue
        if hole[to_rows, to_columns].mean() < _MOST_OVERLAP:
            moved = np.zeros_like(hole)
            moved[to_rows, to_columns] = True
            controls.append(moved)
        if len(controls) == count:
            break
    return np.stack(controls) if controls else np.zeros((0, *hole.shape), dtype=bool)


class Filler:
    """Fills holes of one model's input. A hole, or a part of one, that comes again is not filled again.

    Args:
        picture: the model's input, `(1, C, h, w)`, on any device.
        preprocessing: how it was made.
        seed: of the noise.

    Raises:
        PictureError: the input is neither grey nor colour.
    """

    def __init__(self, picture: Tensor, preprocessing: Preprocessing, seed: int) -> None:
        self._picture = picture
        self._mean = np.array(preprocessing.mean, dtype=np.float32)
        self._std = np.array(preprocessing.std, dtype=np.float32)
        self._seed = seed
        values = picture[0].cpu().float().permute(1, 2, 0).numpy() * self._std + self._mean
        pixels = np.clip(np.rint(255 * values), 0, 255).astype(np.uint8)
        self._ground = build_picture("", pixels, "", ())
        # Where nothing is left around a hole, it is the mean colour of everything that was there.
        mean = np.rint(pixels.mean((0, 1))).astype(np.uint8)
        framed = np.tile(mean, (pixels.shape[0] + 2, pixels.shape[1] + 2, 1))
        framed[1:-1, 1:-1] = pixels
        self._framed = build_picture("", framed, "", ())
        self._filled: dict[tuple[Paint, bytes], np.ndarray] = {}

    def fill(self, holes: Sequence[tuple[Paint, np.ndarray]]) -> Tensor:
        """The input with each hole filled, `(n, C, h, w)`. Holes that are apart are filled each from around itself.

        Args:
            holes: what each is filled with, and where it is, `(h, w)` bool.
        """
        import torch

        filled = self._picture.repeat(len(holes), 1, 1, 1)
        for row, (how, hole) in zip(filled, holes, strict=True):
            for part in _take_apart(hole):
                pixels = (self._fill_one(part, how).astype(np.float32) / 255 - self._mean) / self._std
                row[:, torch.from_numpy(part)] = torch.from_numpy(pixels.T.copy()).to(row)
        return filled

    def _fill_one(self, hole: np.ndarray, how: Paint) -> np.ndarray:
        """The pixels in one hole, `(n, C)` uint8."""
        key = how, np.packbits(hole).tobytes()
        if key not in self._filled:
            if hole.all():
                mask = np.pad(hole, 1)
                self._filled[key] = paint_over(self._framed, mask, how, self._seed).model_pixels[mask]
            else:
                self._filled[key] = paint_over(self._ground, hole, how, self._seed).model_pixels[hole]
        return self._filled[key]


def _take_apart(hole: np.ndarray) -> list[np.ndarray]:
    """The parts of a hole that lie far enough from each other, `(h, w)` bool each."""
    near = cv2.dilate(hole.astype(np.uint8), np.ones((_NEAR, _NEAR), dtype=np.uint8))
    count, numbers = cv2.connectedComponents(near)
    parts = [hole & (numbers == number) for number in range(1, count)]
    return [part for part in parts if part.any()]


def cut_grid(size: tuple[int, int], box: Box, count: int) -> dict[str, np.ndarray]:
    """What the model sees of a picture, cut into so many rows and columns: by its name, each cell `(H, W)` bool.

    Args:
        size: height and width of the picture.
        box: the rectangle of it that the model sees.
        count: 2 to 4.

    Raises:
        PictureError: there is no such grid.
    """
    if not 2 <= count <= _MOST_CELLS:
        raise PictureError(f"A grid has 2 to {_MOST_CELLS} rows and columns, not {count}.")
    inside = box.clipped(size)
    rows, columns = (
        np.floor((np.arange(side) + 0.5 - span.start) / span.length * count).astype(int)
        for side, span in zip(size, inside.spans, strict=True)
    )
    return {
        f"row {row + 1}, column {column + 1}": np.logical_and.outer(rows == row, columns == column)
        for row in range(count)
        for column in range(count)
    }
