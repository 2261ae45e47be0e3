"""Maps as small pictures: drawn by the renderer that draws files, and put into cards."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import streamlit as st

from components.browser.cards import Card, Cells, Frame, cards
from explain.maps.heatmap import Heatmap, describe_peak, find_peak
from explain.maps.render import RenderSettings, encode_png, format_number, overlay, value_range
from explain.methods import get_method
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture

TINY, SMALL, LARGE = 128, 176, 512
"""Pixels of a frame's longer side: one of several on a card, in a strip, and alone."""


@dataclass(frozen=True, eq=False)
class Ground:
    """A picture made small, for several maps to be laid on.

    Attributes:
        pixels: `(h, w, 3)` uint8 RGB.
        factor: its size over the picture's own.
        name: the picture's.
    """

    pixels: np.ndarray
    factor: float
    name: str


def prepare_ground(picture: Picture, longest: int) -> Ground:
    """The picture with a longer side of `longest` pixels, or as it is where it is smaller."""
    height, width = picture.size
    factor = min(1.0, longest / max(height, width))
    if factor == 1.0:
        return Ground(picture.pixels, 1.0, picture.name)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return Ground(cv2.resize(picture.pixels, size, interpolation=cv2.INTER_AREA), factor, picture.name)


def draw_frame(
    ground: Ground,
    values: np.ndarray,
    box: Box,
    alt: str,
    label: str = "",
    signed: bool = False,
    scale: tuple[float, float] | None = None,
    mark: bool = False,
    quality: int | None = None,
) -> Frame:
    """A map on the picture.

    Args:
        ground: the picture.
        values: the raw map `(h, w)`.
        box: where it lies, in the pixels of the picture's own size.
        alt: what it is, in words; where it is strongest is added.
        label: see `Frame`.
        signed: also show what is below zero.
        scale: values of the first and the last colour; left out, the map's own.
        mark: put a ring around the highest cell.
        quality: of a JPEG, 0 to 100; left out, not a bit is lost.
    """
    height, width = ground.pixels.shape[:2]
    lies = box.scaled(ground.factor)
    finite = bool(np.isfinite(values).all())
    pixels = ground.pixels
    if finite:
        low, high = scale or value_range([values], signed)
        settings = RenderSettings(signed=signed, style="fading")
        # On grey, so that on a small picture no colour but blue and orange is taken for what speaks for and against.
        pixels = overlay(pixels, values, lies, low, high, settings, "fine" if signed else "smooth")
    said = describe_peak(values, lies, height, width) if finite else "it holds no numbers"
    place = None
    if mark and finite and (values > 0).any():
        x, y = find_peak(values, lies)
        place = (x / width, y / height)
    return Frame(encode_address(pixels, quality), f"{alt} on {ground.name}, {said}.", label, place)


def show_map(
    heatmap: Heatmap,
    ground: Ground,
    line: str,
    width: int,
    signed: bool = False,
    cell: tuple[int, int] | None = None,
    on_cell: Callable[[int, int], None] | None = None,
) -> None:
    """One map alone, with a ring around its highest cell, or around a cell that can be chosen, and below it what is
    said of it.

    Args:
        heatmap: the map.
        ground: the picture.
        line: what stands under its title.
        width: of the map, in pixels of the page.
        signed: also show what is below zero.
        cell: row and column of the cell that is chosen.
        on_cell: called with those of another.
    """
    title = f"{get_method(heatmap.method).title} for “{heatmap.label}”"
    alt = f"{title} at {heatmap.layer}"
    frame = draw_frame(ground, heatmap.values, heatmap.box, alt, signed=signed, mark=cell is None)
    if cell is not None:
        frame = replace(frame, cells=_lay_cells(heatmap, ground, cell))
    cards([Card("map", title, [line], [frame])], "map", title, width=width, on_cell=on_cell)
    for warning in heatmap.warnings:
        st.caption(f":orange[:material/warning:] {warning}")


def _lay_cells(heatmap: Heatmap, ground: Ground, cell: tuple[int, int]) -> Cells:
    height, width = ground.pixels.shape[:2]
    lies = heatmap.box.scaled(ground.factor)
    left, top, right, bottom = lies
    shares = (left / width, top / height, (right - left) / width, (bottom - top) / height)
    rows, columns = heatmap.values.shape
    return Cells(rows, columns, shares, cell)


def describe_range(values: np.ndarray) -> str:
    """Lowest and highest value of a map."""
    if not np.isfinite(values).all():
        return "no numbers"
    return f"{format_number(float(values.min()))} to {format_number(float(values.max()))}"


def encode_address(pixels: np.ndarray, quality: int | None = None) -> str:
    """`(h, w, 3)` uint8 RGB as a data address, losslessly, or as a JPEG of that quality."""
    if quality is not None:
        encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        return "data:image/jpeg;base64," + base64.b64encode(encoded).decode("ascii")
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode("ascii")
