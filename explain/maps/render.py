"""From a map to a picture: stretching, upsampling, colouring and blending."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import cv2
import numpy as np

from explain.methods.base import Painting
from explain.pictures.geometry import Box, Span
from explain.settings import Settings, setting

SHADES = 4096  # steps of a colour table when painting; neighbours differ by less than one level of any channel
FLAT = 1e-6  # a map whose range is smaller than this share of its values is rounding noise around a constant

QUIET_GAIN = 120  # of a picture below a fine map: grey·120/256
CLIPPED = 20  # of 1000 values, at either end of a fine map: a few pixels would take all colours for themselves
LEVELS = (0.2, 0.4, 0.6, 0.8)  # of the colour bar, where lines of equal value are drawn
_LINE, _LINE_GROUND = 1 / 190, 1 / 95  # widths of these lines, and of what they lie on, by the picture's longer side

UNSEEN_GAIN, UNSEEN_LIFT, HATCH_LIFT = 115, 24, 40  # grey·115/256 + 24 (+ 40 on a hatch line) of 255
HATCHES = 56  # hatch lines along the longer side
_BAND_PIXELS = 1 << 14  # painted at a time, so that what lies between stays in the processor's cache


Style: TypeAlias = Literal["auto", "fading", "even", "contours"]
"""How colours cover the picture; see `RenderSettings`."""


class RenderSettings(Settings):
    """How maps are put on the picture. None of it needs the network again."""

    opacity: float = setting(
        0.8, "Opacity", "How strongly the colours cover the picture.", low=0.0, high=1.0, step=0.05
    )
    style: Style = setting(
        "auto",
        "Style",
        "“Fading”: the stronger a value, the more it covers; where it is zero, the picture is as it is. “Even”: all "
        "values cover alike. “Contours”: lines of equal value, every fifth of the colour bar. “Auto” fades on "
        "photographs and draws contours on grey pictures, such as scans.",
    )
    colour_table: Literal["viridis", "inferno", "cividis", "turbo"] = setting(
        "viridis", "Colours", "The colour table. The signed view has one of its own: blue against, orange for."
    )
    scale: Literal["own", "shared"] = setting(
        "own",
        "Scale",
        "“own” spreads the colours over each map's range; “shared” uses one range for all maps of one method, "
        "so that equal colours are equal values. Other methods have other units.",
    )
    signed: bool = setting(
        False, "Signed", "Show what speaks against the class too, instead of cutting the map off at zero."
    )
    threshold: float = setting(
        0.0,
        "Threshold",
        "Hide what lies below this share of the colour bar; in the signed view, what is weaker for and against.",
        low=0.0,
        high=0.95,
        step=0.01,
    )

    def settle_style(self, grey: bool, painting: Painting = "smooth") -> Style:
        """The style in which a map is drawn: `auto` means one of the others, and a fine map has no contours.

        Args:
            grey: the picture has no colours.
            painting: of the map.
        """
        style = self.style
        if style == "auto":
            style = "contours" if grey else "fading"
        return "fading" if style == "contours" and painting == "fine" else style

    def weigh(self, strength: float) -> float:
        """By how much a map that is nearly blank is drawn paler. One range for several maps, and the signed view, show
        by their colours how weak it is.

        Args:
            strength: of the map, 0…1; see `explain.maps.heatmap.find_strength`.
        """
        return 1.0 if self.signed or self.scale == "shared" else strength


BEFORE_STYLES = RenderSettings(style="even", opacity=0.55)
"""What a view meant that was written down, in a link, before there were styles."""


def _read_table(number: int) -> np.ndarray:
    """One of OpenCV's colour tables, `(256, 3)` uint8 RGB."""
    return cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], number)[:, 0, ::-1].copy()


def _build_diverging() -> np.ndarray:
    """Blue over dark grey to orange, `(256, 3)` uint8 RGB, for colours that cover the picture evenly.

    Lightness and chroma grow linearly with the distance from the middle in OKLab (B. Ottosson, 2020), equally on both
    sides, so that equal strength for and against looks equally strong. The middle is dark like the low end of the
    other tables: what matters stands out by light in both views. Blue and orange stay apart for colour-blind eyes.
    """
    strength = np.abs(np.linspace(-1, 1, 256))
    return _mix_blue_and_orange(0.20 + 0.52 * strength, 0.155 * strength)


def _build_parting() -> np.ndarray:
    """Dark blue over grey to light orange, `(256, 3)` uint8 RGB, for colours whose middle is not seen.

    One side is darker than the middle and one is lighter by as much, so that they part in grey print too.
    """
    position = np.linspace(-1, 1, 256)
    return _mix_blue_and_orange(0.60 + 0.19 * position, 0.05 + 0.105 * np.abs(position))


def _mix_blue_and_orange(lightness: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """A table `(256, 3)` uint8 RGB, its first half blue and its second orange, of that lightness and chroma."""
    hue = np.radians(np.where(np.arange(256) < 128, 248.0, 52.0))
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
PARTING = _build_parting()


def shades(table: np.ndarray) -> np.ndarray:
    """A `(256, 3)` table drawn out to `(SHADES, 3)` uint8 by straight lines between its entries."""
    at = np.linspace(0, 255, SHADES)
    return np.stack([np.rint(np.interp(at, np.arange(256), table[:, c])) for c in range(3)], axis=1).astype(np.uint8)


_SHADES = {name: shades(table) for name, table in {**COLOUR_TABLES, "diverging": DIVERGING, "parting": PARTING}.items()}


def choose_table(settings: RenderSettings, style: Style) -> str:
    """Name of the colour table: the chosen one, or that of the signed view in a style."""
    if not settings.signed:
        return settings.colour_table
    return "diverging" if style == "even" else "parting"


def value_range(maps: Sequence[np.ndarray], signed: bool, painting: Painting = "smooth") -> tuple[float, float]:
    """The values that get the first and the last colour.

    Unsigned: lowest and highest value after ReLU. Signed: minus and plus the largest magnitude, zero in the middle.

    Args:
        maps: one map for its own scale, all maps of a method for the shared one. Maps with a value that is no number,
            of which nothing is shown, do not count.
        signed: False for the view cut off at zero.
        painting: of the maps.
    """
    lowest, highest = find_ends(maps, painting)
    if signed:
        largest = max(-lowest, highest)
        return -largest, largest
    return max(lowest, 0.0), max(highest, 0.0)


def find_ends(maps: Sequence[np.ndarray], painting: Painting = "smooth") -> tuple[float, float]:
    """Lowest and highest value of maps that share one scale, before the view decides what is shown of them; 0 and 0
    where none has numbers. The arguments are those of `value_range`.
    """
    ends = [_find_ends(np.asarray(values, dtype=np.float32), painting) for values in maps if np.isfinite(values).all()]
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else (0.0, 0.0)


def _find_ends(values: np.ndarray, painting: Painting) -> tuple[float, float]:
    """Lowest and highest value; of a fine map, without a few at either end, unless zero lies among those."""
    lowest, highest = float(values.min()), float(values.max())
    if painting == "smooth":
        return lowest, highest
    ordered = np.sort(values, axis=None)
    left_out = (ordered.size - 1) * CLIPPED // 1000
    low, high = float(ordered[left_out]), float(ordered[ordered.size - 1 - left_out])
    return (low if low < 0 else lowest), (high if high > 0 else highest)


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
    dim = ((_find_grey(pixels) * UNSEEN_GAIN) >> 8) + UNSEEN_LIFT
    period = max(4, round((longest_side or max(height, width)) / HATCHES))
    diagonal = np.arange(first_row, first_row + height)[:, None] + np.arange(width)[None, :]
    line = diagonal % period < max(1, period // 5)
    return np.repeat((dim + HATCH_LIFT * line)[..., None], 3, axis=2).astype(np.uint8)


def quieten(pixels: np.ndarray) -> np.ndarray:
    """Pixels as they lie below a fine map: grey and dim. `(H, W, 3)` uint8 to the same."""
    return np.repeat(((_find_grey(pixels) * QUIET_GAIN) >> 8)[..., None], 3, axis=2).astype(np.uint8)


def _find_grey(pixels: np.ndarray) -> np.ndarray:
    """In whole numbers throughout, so that the browser gets the very same. `(H, W, 3)` uint8 to `(H, W)` int32."""
    red, green, blue = (pixels[..., c].astype(np.int32) for c in range(3))
    return (77 * red + 150 * green + 29 * blue) >> 8


def is_grey(pixels: np.ndarray) -> bool:
    """Whether a picture `(H, W, 3)` has no colours, as radiographs and slices have none."""
    red, green, blue = (pixels[..., channel] for channel in range(3))
    return np.array_equal(red, green) and np.array_equal(red, blue)


def find_cover(settings: RenderSettings, style: Style) -> np.ndarray:
    """How much of the picture each shade covers where opacity is 1, `(SHADES,)` float64 in 0…1."""
    level = np.arange(SHADES) / (SHADES - 1)
    strength = np.abs(2 * level - 1) if settings.signed else level
    if style == "contours":
        return np.zeros(SHADES)
    cover = np.ones(SHADES) if style == "even" else strength
    return np.where(strength >= settings.threshold, cover, 0.0)


def overlay(
    pixels: np.ndarray,
    values: np.ndarray,
    box: Box,
    low: float,
    high: float,
    settings: RenderSettings,
    painting: Painting = "smooth",
    strength: float = 1.0,
) -> np.ndarray:
    """The picture with a map on it, `(H, W, 3)` uint8.

    Args:
        pixels: `(H, W, 3)` uint8 RGB.
        values: `(h, w)` float32, the raw map.
        box: where it lies on the picture, see `place`.
        low: value of the first colour, see `value_range`.
        high: value of the last one.
        settings: opacity, style, colours and view. `scale` has done its work in `low` and `high`.
        painting: of the map.
        strength: see `RenderSettings.weigh`.
    """
    height, width = pixels.shape[:2]
    style = settings.settle_style(is_grey(pixels), painting)
    placed = place(values if settings.signed else np.maximum(values, 0), box, (height, width))
    weight = settings.weigh(strength)
    table, cover = _SHADES[choose_table(settings, style)], find_cover(settings, style) * (settings.opacity * weight)
    mix = _mix_evenly if style == "even" and not settings.threshold else _mix
    blended = np.empty_like(pixels)
    rows = max(1, _BAND_PIXELS // width)
    for first in range(0, height, rows):
        band = slice(first, first + rows)
        unseen = np.isnan(placed[band])
        level = normalise(placed[band], low, high, settings.signed)
        level[unseen] = 0
        shade = (level * np.float32(SHADES - 1) + np.float32(0.5)).astype(np.uint16)
        ground = quieten(pixels[band]) if painting == "fine" and settings.opacity else pixels[band]
        blended[band] = mix(ground, shade, table, cover)
        if unseen.any():
            blended[band][unseen] = mark_unseen(pixels[band], first, max(height, width))[unseen]
    if style == "contours" and not is_flat(low, high):
        _draw_contours(blended, normalise(placed, low, high, settings.signed), table, settings, weight)
    return blended


def _mix_evenly(ground: np.ndarray, shade: np.ndarray, table: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Where all shades cover alike, two tables do."""
    below = (np.arange(256) * (1 - cover[0]) + 0.5).astype(np.float32)
    above = (table * cover[0]).astype(np.float32)
    return (below[ground] + above[shade]).astype(np.uint8)


def _mix(ground: np.ndarray, shade: np.ndarray, table: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """What is below and the shades' colours, each by its share."""
    keep = (1 - cover).astype(np.float32)
    above = (table * cover[:, None] + 0.5).astype(np.float32)
    return (ground * keep[shade][..., None] + above[shade]).astype(np.uint8)


def find_contour_levels(settings: RenderSettings) -> list[float]:
    """Where on the colour bar, 0…1, the lines of equal value lie; in the signed view on both sides of its middle."""
    strengths = [strength for strength in LEVELS if strength >= settings.threshold]
    return [place for s in strengths for place in ((1 - s) / 2, (1 + s) / 2)] if settings.signed else strengths


def _draw_contours(
    pixels: np.ndarray, level: np.ndarray, table: np.ndarray, settings: RenderSettings, weight: float
) -> None:
    """Draw lines of equal value into `pixels`, each on a darker one, with edges as soft as a pixel.

    Args:
        pixels: `(H, W, 3)` uint8, written to.
        level: `(H, W)`, the map's place on the colour bar; NaN where there is none.
        table: the shades.
        settings: for the levels of the lines.
        weight: how strong the lines are, 0…1.
    """
    if min(level.shape) < 2:
        return
    longest = max(level.shape)
    steepness = np.hypot(*np.gradient(level))
    with np.errstate(divide="ignore", invalid="ignore"):
        away = {at: np.abs(level - np.float32(at)) / steepness for at in find_contour_levels(settings)}
    for width, colour in ((_LINE_GROUND, True), (_LINE, False)):
        half = max(1.0, longest * width) / 2
        for at, distance in away.items():
            # Far from a pixel's own slope the distance is a guess, and too short where the map is nearly level.
            cover = np.nan_to_num(np.clip(half + 0.5 - distance, 0, 1) * weight, nan=0.0)
            near = cover > 0
            ink = np.zeros(3) if colour else table[round(at * (SHADES - 1))]
            share = cover[near][:, None] * (0.6 if colour else 1.0)
            pixels[near] = (pixels[near] * (1 - share) + ink * share + 0.5).astype(np.uint8)


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


def colour_bar(settings: RenderSettings, style: Style, length: int, flat: bool) -> np.ndarray:
    """The colours from the lowest value to the highest on white, `(length, 3)` uint8; that of a flat map has one.

    Where the map fades so does its bar: pale colours hardly cover the picture.
    """
    table = _SHADES[choose_table(settings, style)]
    cover = find_cover(settings, style) if style != "contours" else np.ones(SHADES)
    blank = SHADES // 2 if settings.signed else 0
    at = np.full(length, blank) if flat else np.linspace(0, SHADES - 1, length).round().astype(int)
    share = cover[at][:, None]
    return (table[at] * share + 255 * (1 - share) + 0.5).astype(np.uint8)


def label_bar(low: float, high: float, signed: bool, painting: Painting) -> tuple[str, str, str]:
    """What is written at the left end, the middle and the right end of a colour bar."""
    if is_flat(low, high):
        return f"{format_number(low)} everywhere", "", ""
    clipped = painting == "fine"
    start = f"≤ {format_number(low)}" if clipped and signed else format_number(low)
    return start, "0" if signed else "", f"≥ {format_number(high)}" if clipped else format_number(high)
