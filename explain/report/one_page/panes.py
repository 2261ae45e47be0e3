"""The pictures of the one-page report: the picture as it is, and the maps on it, with what stands on their edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from explain.engine.explanation import PictureExplanation
from explain.maps.heatmap import Heatmap, describe_peak, find_peaks, find_strength
from explain.maps.region_share import mask_share
from explain.maps.render import RenderSettings, colour_bar, is_flat, is_grey, label_bar, overlay
from explain.methods import get_method
from explain.percent import write_percent
from explain.pictures.picture import Picture
from explain.pictures.region import Region, mask_region

MOST_MAPS = 8
"""Of one picture: more would be too small to read."""

LONGEST_SIDE = 640
"""Pixels of a pane's longer side at most: on paper 300 dots an inch across 54 mm."""

_LENGTHS = (1, 2, 5, 10, 20, 50, 100, 200)
"""Millimetres that a scale may have."""

_LONGEST_SCALE = 0.4  # of the picture's width

Regions = Mapping[str, Region]
"""Drawn or given regions of a picture, by their names."""

Rings: TypeAlias = tuple[tuple[tuple[float, float], ...], ...]
"""Closed lines of points (x, y), as shares of the picture's width and height."""


@dataclass(frozen=True, eq=False)
class Bar:
    """A colour bar: its colours `(n, 3)` uint8, lowest value first, and what stands at both ends and in the middle:
    left, middle, right.
    """

    colours: np.ndarray
    labels: tuple[str, str, str]


@dataclass(frozen=True)
class Scale:
    """A line of so many millimetres: its length as a share of the picture's width, and whether it is measured at the
    detector of a radiograph.
    """

    millimetres: int
    share: float
    at_detector: bool = False


@dataclass(frozen=True, eq=False)
class Pane:
    """One picture of the report.

    Attributes:
        title: the method's name, with layer and class where there are several, or what the picture is.
        alt: what it shows, in words, for those who do not see it.
        pixels: `(H, W, 3)` uint8 RGB.
        bar: its colour bar; None for the plain picture.
        verdict: the words of its verdict with their signs; empty where there is none.
        shares: how much of it lies in each region, e.g. `31 % in “lesion”`.
        edges: letters of what lies towards its top, right, bottom and left edge; None where nobody knows.
        scale: a line of some millimetres on it; None where none is drawn.
        rings: outlines of regions; see `trace_regions`.
    """

    title: str
    alt: str
    pixels: np.ndarray
    bar: Bar | None = None
    verdict: str = ""
    shares: tuple[str, ...] = ()
    edges: tuple[str, str, str, str] | None = None
    scale: Scale | None = None
    rings: Rings = ()


def draw_picture(picture: Picture, regions: Regions, title: str = "The picture") -> Pane:
    """The picture without a map, with its scale."""
    return Pane(
        title,
        f"The picture as it is: {picture.name}.",
        _fit(picture.pixels),
        edges=_find_edges(picture),
        scale=find_scale(picture),
        rings=trace_regions(regions, picture.size),
    )


def _find_edges(picture: Picture) -> tuple[str, str, str, str] | None:
    return None if picture.placement is None else picture.placement.edges


def draw_map(
    entry: PictureExplanation,
    heatmap: Heatmap,
    title: str,
    ends: tuple[float, float],
    view: RenderSettings,
    regions: Regions,
) -> Pane:
    """One map on its picture.

    Args:
        entry: what was answered of the picture.
        heatmap: one of its maps.
        title: see `Pane`.
        ends: lowest and highest value shown.
        view: how it is drawn.
        regions: of which its shares are told.
    """
    picture, painting = entry.picture, get_method(heatmap.method).painting
    pixels = _fit(picture.pixels)
    box = heatmap.box.resized(picture.size, pixels.shape[:2])
    strength = find_strength(heatmap.values, find_peaks(entry.maps)[heatmap.method, heatmap.layer])
    drawn = overlay(pixels, heatmap.values, box, *ends, view, painting, strength)
    style = view.settle_style(is_grey(pixels), painting)
    colours = colour_bar(view, style, 256, is_flat(*ends))
    verdict = entry.verdicts.get(heatmap.key)
    return Pane(
        title,
        f"Map of {title} for {heatmap.label}: {describe_peak(heatmap.values, heatmap.box, *picture.size)}.",
        drawn,
        Bar(colours, label_bar(*ends, view.signed, painting)),
        "" if verdict is None else verdict.line,
        tuple(_say_share(heatmap, picture.size, name, region) for name, region in regions.items()),
        _find_edges(picture),
        rings=trace_regions(regions, picture.size),
    )


def _say_share(heatmap: Heatmap, size: tuple[int, int], name: str, region: Region) -> str:
    share = mask_share(heatmap.values, heatmap.box, mask_region(region, size))
    return f"nothing to share in “{name}”" if share is None else f"{write_percent(share)} in “{name}”"


def trace_regions(regions: Regions, size: tuple[int, int]) -> Rings:
    """The outlines of regions, each a closed line of points (x, y) as shares of the picture's width and height.

    Args:
        regions: drawn or given ones.
        size: height and width of the picture.
    """
    height, width = size
    rings = []
    for region in regions.values():
        mask = mask_region(region, size).astype(np.uint8)
        found, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_TC89_L1)
        rings += [tuple(((x + 0.5) / width, (y + 0.5) / height) for x, y in ring[:, 0].tolist()) for ring in found]
    return tuple(ring for ring in rings if len(ring) > 2)


def find_scale(picture: Picture) -> Scale | None:
    """The longest round scale that fits below the picture; None where nobody knows how large a pixel is."""
    placement = picture.placement
    if placement is None or placement.pitch is None:
        return None
    width = picture.size[1] * placement.pitch[1]
    fitting = [length for length in _LENGTHS if length <= _LONGEST_SCALE * width]
    return Scale(fitting[-1], fitting[-1] / width, placement.at_detector) if fitting else None


def _fit(pixels: np.ndarray) -> np.ndarray:
    """The picture, no larger than a pane is printed; a small one enlarged, so that maps lie on it smoothly."""
    height, width = pixels.shape[:2]
    factor = LONGEST_SIDE / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def join_titles(titles: Sequence[str]) -> str:
    """Names in a row: `Grad-CAM, FEM and CF-CAM`."""
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"


def count_columns(panes: int, pixels: np.ndarray) -> int:
    """How many panes stand beside each other, of pictures with the shape of `pixels` `(H, W, 3)`."""
    ratio = pixels.shape[1] / pixels.shape[0]
    if ratio > 2.2:
        return min(panes, 3 if panes > 4 else 2)
    return panes if panes <= 5 else -(-panes // 2)


def list_columns(panes: int, most: int) -> list[int]:
    """How many panes may stand beside each other, in rows as full as can be: the fewest, and so the largest, first."""
    full = {-(-panes // rows) for rows in range(1, panes + 1)}
    return sorted(columns for columns in full if columns <= most)
