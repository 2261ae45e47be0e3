"""From a map to a picture: stretching, upsampling, colouring and blending."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np

from explain.pictures.geometry import Box, Span
from explain.settings import Settings, setting

SHADES = 4096  # steps of a colour table when painting; neighbours differ by less than one level of any channel
FLAT = 1e-6  # a map whose range is smaller than this share of its values is rounding noise around a constant

UNSEEN_GAIN, UNSEEN_LIFT, HATCH_LIFT = 115, 24, 40  # grey·115/256 + 24 (+ 40 on a hatch line) of 255
HATCHES = 56  # hatch lines along the longer side
_BAND_PIXELS = 1 << 14  # painted at a time, so that what lies between stays in the processor's cache


class RenderSettings(Settings):
    """How maps are put on the picture. None of it needs the network again."""

    opacity: float = setting(
        0.55, "Opacity", "How strongly the colours cover the picture.", low=0.0, high=1.0, step=0.05
    )
    colour_table: Literal["viridis", "inferno", "cividis", "turbo"] = setting(
        "viridis", "Colours", "The colour table. The signed view has one of its own: blue against, orange for."
    )
    scale: Literal["own", "shared"] = setting(
        "own",
        "Scale",
        "“own” spreads the colours over each map's range; “shared” uses one range for all maps of a row, so that "
        "equal colours are equal values.",
    )
    signed: bool = setting(
        False, "Signed", "Show what speaks against the class too, instead of cutting the map off at zero."
    )


def _read_table(number: int) -> np.ndarray:
    """One of OpenCV's colour tables, `(256, 3)` uint8 RGB."""
    return cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], number)[:, 0, ::-1].copy()


def _build_diverging() -> np.ndarray:
    """Blue over dark grey to orange, `(256, 3)` uint8 RGB.

    Lightness and chroma grow linearly with the distance from the middle in OKLab (B. Ottosson, 2020), equally on both
    sides, so that equal strength for and against looks equally strong. The middle is dark like the low end of the
    other tables: what matters stands out by light in both views. Blue and orange stay apart for colour-blind eyes.
    """
    position = np.linspace(-1, 1, 256)
    strength = np.abs(position)
    hue = np.radians(np.where(position < 0, 248.0, 52.0))
    lightness, chroma = 0.20 + 0.52 * strength, 0.155 * strength
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    cone = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    linear = (
        np.array(
            [
                [4.0767416621, -3.3077115913, 0.2309699292],
                [-1.2684380046, 2.6097574011, -0.3413193965],
                [-0.0041960863, -0.7034186147, 1.7076147010],
            ]
        )
        @ cone**3
    )
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(encoded.T * 255).astype(np.uint8)


COLOUR_TABLES: dict[str, np.ndarray] = {
    "viridis": _read_table(cv2.COLORMAP_VIRIDIS),
    "inferno": _read_table(cv2.COLORMAP_INFERNO),
    "cividis": _read_table(cv2.COLORMAP_CIVIDIS),
    "turbo": _read_table(cv2.COLORMAP_TURBO),
}
DIVERGING = _build_diverging()


def shades(table: np.ndarray) -> np.ndarray:
    """A `(256, 3)` table drawn out to `(SHADES, 3)` uint8 by straight lines between its entries."""
    at = np.linspace(0, 255, SHADES)
    return np.stack([np.rint(np.interp(at, np.arange(256), table[:, c])) for c in range(3)], axis=1).astype(np.uint8)


_SHADES = {name: shades(table) for name, table in COLOUR_TABLES.items()}
_DIVERGING_SHADES = shades(DIVERGING)


def value_range(maps: Sequence[np.ndarray], signed: bool) -> tuple[float, float]:
    """The values that get the first and the last colour.

    Unsigned: lowest and highest value after ReLU. Signed: minus and plus the largest magnitude, zero in the middle.

    Args:
        maps: one map for its own scale, all maps of a row for the shared one. Maps with a value that is no number, of
            which nothing is shown, do not count.
        signed: False for the view cut off at zero.
    """
    finite = [np.asarray(values, dtype=np.float32) for values in maps if np.isfinite(values).all()]
    if not finite:
        return 0.0, 0.0
    lowest, highest = float(min(v.min() for v in finite)), float(max(v.max() for v in finite))
    if signed:
        largest = max(-lowest, highest)
        return -largest, largest
    return max(lowest, 0.0), max(highest, 0.0)


def is_flat(low: float, high: float) -> bool:
    """Whether a range is nothing but rounding noise: such a map is blank, and is not stretched to look alive."""
    return not high - low > FLAT * max(abs(low), abs(high))


def normalise(values: np.ndarray, low: float, high: float, signed: bool = False) -> np.ndarray:
    """Values to 0…1: `low` and what is below to 0, `high` and above to 1; NaN stays NaN.

    A flat range (see `is_flat`) gives a blank map: all 0, or all 0.5, the middle of the table, in the signed view.
    """
    if is_flat(low, high):
        return np.where(np.isnan(values), np.nan, 0.5 if signed else 0.0).astype(np.float32)
    return np.clip((values - np.float32(low)) * np.float32(1 / (high - low)), 0, 1).astype(np.float32)


def _weights(length: int, span: Span, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """How much each of `cells` cells counts at each of `length` pixel centres, `(length, cells)`, and who is inside."""
    centres = np.arange(length) + 0.5
    at = np.clip(span.to_cells(centres, cells), 0, cells - 1)
    first = np.minimum(at.astype(np.int64), max(cells - 2, 0))
    share = (at - first).astype(np.float32)
    weights = np.zeros((length, cells), dtype=np.float32)
    weights[np.arange(length), first] = 1 - share
    weights[np.arange(length), np.minimum(first + 1, cells - 1)] += share
    return weights, (centres >= span.start) & (centres < span.stop)


def place(values: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """Lay a map on the picture: bilinear, half-pixel centres, the outermost cells held towards the box's edges.

    Args:
        values: `(h, w)` float32. If one of them is no number the whole result is NaN.
        box: the rectangle of the picture that the map covers, in pixels, edges at whole numbers. It may be smaller
            than the picture (a crop) or reach beyond it (padding).
        size: height and width of the picture.

    Returns:
        `(H, W)` float32, NaN where a pixel's centre lies outside the box: the model did not see it.
    """
    if not np.isfinite(values).all():
        return np.full(size, np.nan, dtype=np.float32)
    (rows, row_inside), (columns, column_inside) = (
        _weights(*axis) for axis in zip(size, box.spans, values.shape, strict=True)
    )
    # Two products with narrow matrices: for a map of a few cells nothing else in numpy touches the pixels only once.
    placed: np.ndarray = rows @ (values.astype(np.float32) @ columns.T)
    placed[~row_inside, :] = np.nan
    placed[:, ~column_inside] = np.nan
    return placed


def mark_unseen(pixels: np.ndarray, first_row: int = 0, longest_side: int | None = None) -> np.ndarray:
    """Pixels as they look where the model saw nothing: grey, dim, hatched. `(H, W, 3)` uint8 to the same.

    Args:
        pixels: the picture, or some of its rows.
        first_row: number of the first of them in the picture.
        longest_side: of the whole picture; sets the distance between hatch lines.
    """
    height, width = pixels.shape[:2]
    # Whole numbers throughout, so that the browser gets the very same pixels.
    red, green, blue = (pixels[..., c].astype(np.int32) for c in range(3))
    grey = (77 * red + 150 * green + 29 * blue) >> 8
    dim = ((grey * UNSEEN_GAIN) >> 8) + UNSEEN_LIFT
    period = max(4, round((longest_side or max(height, width)) / HATCHES))
    diagonal = np.arange(first_row, first_row + height)[:, None] + np.arange(width)[None, :]
    line = diagonal % period < max(1, period // 5)
    return np.repeat((dim + HATCH_LIFT * line)[..., None], 3, axis=2).astype(np.uint8)


def overlay(
    pixels: np.ndarray, values: np.ndarray, box: Box, low: float, high: float, settings: RenderSettings
) -> np.ndarray:
    """The picture with a map on it, `(H, W, 3)` uint8.

    Args:
        pixels: `(H, W, 3)` uint8 RGB.
        values: `(h, w)` float32, the raw map.
        box: where it lies on the picture, see `place`.
        low: value of the first colour, see `value_range`.
        high: value of the last one.
        settings: opacity, colours and view. `scale` has done its work in `low` and `high`.
    """
    height, width = pixels.shape[:2]
    placed = place(values if settings.signed else np.maximum(values, 0), box, (height, width))
    table = _DIVERGING_SHADES if settings.signed else _SHADES[settings.colour_table]
    steps = np.arange(256)
    below = (steps * (1 - settings.opacity) + 0.5).astype(np.float32)
    above = (table * settings.opacity).astype(np.float32)
    blended = np.empty_like(pixels)
    rows = max(1, _BAND_PIXELS // width)
    for first in range(0, height, rows):
        band = slice(first, first + rows)
        unseen = np.isnan(placed[band])
        level = normalise(placed[band], low, high, settings.signed)
        level[unseen] = 0
        shade = (level * np.float32(SHADES - 1) + np.float32(0.5)).astype(np.uint16)
        blended[band] = (below[pixels[band]] + above[shade]).astype(np.uint8)
        if unseen.any():
            blended[band][unseen] = mark_unseen(pixels[band], first, max(height, width))[unseen]
    return blended


def encode_png(pixels: np.ndarray) -> bytes:
    """`(H, W, 3)` RGB or `(H, W)` uint8 as PNG, losslessly and quickly rather than small."""
    ordered = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    return cv2.imencode(".png", np.ascontiguousarray(ordered), [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def format_number(value: float) -> str:
    """Three significant digits, as written at the ends of a colour bar."""
    size = abs(value)
    if 1000 <= size < 1e6:
        text = f"{float(f'{value:.3g}'):.0f}"
    else:
        text = f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    return text.replace("-", "−")
