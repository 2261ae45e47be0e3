"""Painting a region of a picture over: filled, blurred, inpainted, or with what another picture has there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import cv2
import numpy as np

from explain.errors import PictureError
from explain.percent import write_percent
from explain.pictures.geometry import Box, Span
from explain.pictures.picture import Picture, alter
from explain.pictures.region import Region, mask_region

Paint = Literal["surroundings", "blur", "inpaint", "noise"]
"""What a region is painted over with: the mean colour of what lies around it; itself, out of focus; what lies around
it, drawn on inwards (Bertalmio et al., 2001); noise of the mean and spread of what lies around it."""

_SAID = {
    "surroundings": "painted over with the mean colour of its surroundings",
    "blur": "blurred",
    "inpaint": "filled in from its surroundings",
    "noise": "painted over with noise in the colours of its surroundings",
}
_RING = 0.15  # width of the surroundings looked at, as a share of the region's size
_BLUR = 0.25  # sigma of the blur, as a share of the region's size
_WORKING_SIDE = 512  # a larger region is blurred or filled in at this size: both take longer than in proportion


def paint_over(picture: Picture, region: Region, how: Paint = "surroundings", seed: int = 0) -> Picture:
    """Paint over a region. Outside it every pixel stays as it is, bit for bit.

    Args:
        picture: the picture.
        region: a rectangle, an outline or a mask.
        how: see `Paint`.
        seed: of the noise.

    Returns:
        A picture of its own, known by its pixels, with a note that it was altered.

    Raises:
        PictureError: the region holds no pixel, nothing is left around it, or the picture is neither grey nor colour.
    """
    if how not in _SAID:
        raise PictureError(f"A region cannot be painted over with “{how}”. Choose one of {', '.join(_SAID)}.")
    _check_bands(picture)
    mask = mask_region(region, picture.size)
    size = _measure(mask)
    margin = math.ceil(3 * _BLUR * size) if how == "blur" else max(math.ceil(_RING * size), 3)
    window = _find_window(mask, margin)
    patch, hole = picture.model_pixels[window], mask[window]
    if hole.all() and how != "blur":
        raise PictureError("The region covers the whole picture, so nothing is left around it. Draw a smaller one.")
    if how == "blur":
        painted = _at_working_size(patch, hole, _blur)
    elif how == "inpaint":
        painted = _at_working_size(patch, hole, _inpaint)
    else:
        ring = patch[_find_ring(hole, margin)]
        mean = ring.mean(0, dtype=np.float64)
        if how == "surroundings":
            painted = np.broadcast_to(_fit(mean, patch.dtype), patch.shape)
        else:
            painted = _make_noise(patch, mean, ring.std(0, dtype=np.float64), seed)
    return _replace(picture, mask, window, painted, None, _SAID[how])


def swap_region(
    picture: Picture, region: Region, other: Picture, place: Sequence[float] | None = None, feather: float = 0.0
) -> Picture:
    """Put a part of another picture in a region's place. Outside it every pixel stays as it is, bit for bit.

    Args:
        picture: the picture that is changed.
        region: where; a rectangle, an outline or a mask.
        other: where the part is taken from.
        place: rectangle (left, top, right, bottom) of the other picture, in its pixels (rounded to whole ones), that
            is laid over the region's bounding rectangle, resized if need be. Left out, the one that lies there when
            both pictures are laid over each other.
        feather: width in pixels of the soft edge inside the region.

    Raises:
        PictureError: the region holds no pixel, the place lies beyond the other picture, or the picture is neither grey
            nor colour.
    """
    _check_bands(picture)
    mask = mask_region(region, picture.size)
    rows, columns = _find_window(mask, 0)
    if place is None:
        place = Box.from_spans(Span(s.start, s.stop) for s in (rows, columns)).resized(picture.size, other.size)
    if len(place) != 4 or not np.isfinite(place).all():
        raise PictureError("The place to take the part from is no rectangle. Give left, top, right and bottom.")
    box = Box(*place).rounded()
    if not box.lies_on(other.size):
        height, width = other.size
        raise PictureError(
            f"The place to take the part from lies beyond the other picture, which has {width} × {height} pixels. "
            "Choose a rectangle on it."
        )
    part = _in_kind_of(other, picture)[box.slices]
    size = (rows.stop - rows.start, columns.stop - columns.start)
    if part.shape[:2] != size:
        shrinks = part.shape[0] * part.shape[1] > size[0] * size[1]
        part = _resize(part, size, cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    weights = None
    if feather > 0:
        # Distances are to the nearest pixel outside, of which there must be one: a frame around the window.
        inside = np.pad(mask[rows, columns], 1).astype(np.uint8)
        distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        weights = np.clip(distance / (feather + 1), 0, 1)
    return _replace(picture, mask, (rows, columns), part, weights, f"replaced by a part of {other.name}")


def _replace(
    picture: Picture,
    mask: np.ndarray,
    window: tuple[slice, slice],
    painted: np.ndarray,
    weights: np.ndarray | None,
    said: str,
) -> Picture:
    """The picture with `painted` in the window, where the mask says, as strongly as the weights 0…1 say, if any."""
    values = picture.model_pixels.copy()
    patch, hole = values[window], mask[window]
    if weights is None:
        patch[hole] = painted[hole]
    else:
        share = weights[hole][:, None].astype(np.float32)
        patch[hole] = _fit(share * painted[hole] + (1 - share) * patch[hole], values.dtype)
    return alter(picture, values, f"Altered: {write_percent(mask.mean(), 1)} of the picture was {said}.")


def _measure(mask: np.ndarray) -> float:
    """How large a region is: the shorter side of the rectangle around it, in pixels."""
    rows, columns = _find_window(mask, 0)
    return min(rows.stop - rows.start, columns.stop - columns.start)


def _find_window(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Rows and columns of the rectangle around a region, with a margin as far as the picture reaches."""
    spans = []
    for axis, length in ((1, mask.shape[0]), (0, mask.shape[1])):
        inside = np.flatnonzero(mask.any(axis))
        spans.append(slice(max(int(inside[0]) - margin, 0), min(int(inside[-1]) + 1 + margin, length)))
    return spans[0], spans[1]


def _find_ring(hole: np.ndarray, width: int) -> np.ndarray:
    """What lies outside a region, no farther than `width` pixels from it, `(h, w)` bool."""
    distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return ~hole & (distance <= width)


def _make_noise(patch: np.ndarray, mean: np.ndarray, spread: np.ndarray, seed: int) -> np.ndarray:
    """Gaussian noise of a patch's shape and type, with a mean and a spread for each channel."""
    random = np.random.default_rng(seed)
    noise = np.empty_like(patch)
    for row in noise:  # one by one, because a large picture's noise in floats would take gigabytes
        row[...] = _fit(mean + spread * random.standard_normal(row.shape), patch.dtype)
    return noise


def _at_working_size(
    patch: np.ndarray, hole: np.ndarray, paint: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """What `paint` makes of a patch and its hole; worked out smaller where they are large."""
    factor = _WORKING_SIDE / max(hole.shape)
    if factor >= 1:
        return paint(patch, hole)
    height, width = (max(round(side * factor), 1) for side in hole.shape)
    # A pixel with any share in the hole belongs to it, or the trait would bleed into what is painted.
    small_hole = _resize(hole.astype(np.float32)[..., None], (height, width), cv2.INTER_AREA)[..., 0] > 0
    small = paint(_resize(patch, (height, width), cv2.INTER_AREA), small_hole)
    return _resize(small, (hole.shape[0], hole.shape[1]), cv2.INTER_LINEAR)


def _blur(patch: np.ndarray, hole: np.ndarray) -> np.ndarray:
    sigma = max(_BLUR * _measure(hole), 1.0)
    blurred = cv2.GaussianBlur(patch.astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return _fit(blurred.reshape(patch.shape), patch.dtype)


def _inpaint(patch: np.ndarray, hole: np.ndarray) -> np.ndarray:
    mask = hole.astype(np.uint8)
    # OpenCV takes three channels of 8 bits, or one of floats.
    planes = [patch] if patch.dtype == np.uint8 else [patch[..., c] for c in range(patch.shape[2])]
    filled = [cv2.inpaint(np.ascontiguousarray(plane), mask, 3, cv2.INPAINT_NS) for plane in planes]
    return np.dstack(filled).reshape(patch.shape)


def _resize(values: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    """Pixels `(h, w, C)` at another size (height, width), in the same type and range."""
    resized = cv2.resize(values, (size[1], size[0]), interpolation=interpolation).reshape(*size, values.shape[2])
    return resized if values.dtype == np.uint8 else np.clip(resized, 0, 1)


def _check_bands(picture: Picture) -> None:
    bands = picture.model_pixels.shape[2]
    if bands not in (1, 3):
        raise PictureError(f"A picture of {bands} bands cannot be painted over. Save it as grey or RGB first.")


def _in_kind_of(other: Picture, picture: Picture) -> np.ndarray:
    """The other picture's pixels in the type and channels of this one's `model_pixels`."""
    kind = picture.model_pixels
    if kind.dtype == np.uint8:
        return other.pixels
    deep = other.model_pixels.dtype == kind.dtype
    values = other.choose_bands(3) if deep else other.pixels.astype(np.float32) / 255
    if values.shape[2] == kind.shape[2]:
        return values
    grey = values.mean(2, keepdims=True, dtype=np.float32)
    return np.repeat(grey, kind.shape[2], axis=2)


def _fit(values: np.ndarray, kind: np.dtype) -> np.ndarray:
    """Values as pixels of a type: 0…255 whole numbers, or 0…1."""
    if kind == np.uint8:
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return np.clip(values, 0, 1).astype(np.float32)
