"""The comparison as a figure: a row a picture, a pane a map, and what a reader needs to make it again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from explain.engine.explanation import Explanation, PictureExplanation
from explain.maps.figure import FigurePane, FigureRow, figure
from explain.maps.heatmap import Heatmap, describe_faintness, find_peaks, find_strength
from explain.maps.render import RenderSettings, overlay, value_range
from explain.maps.sheet import Kind
from explain.methods import get_method
from explain.settings import describe_values

PICTURE = "picture"
"""Name of the figure's column that shows the picture without a map."""


_VERDICTS = (
    "Words under the maps were measured on this picture and this model. Backed: hiding what is marked lowers the score "
    "more than hiding as much elsewhere. None says that the model is right."
)


def encode_figure(
    explanation: Explanation,
    view: RenderSettings,
    columns: Collection[str] | None = None,
    kind: Kind = "png",
    lent: Mapping[str, tuple[str, PictureExplanation]] | None = None,
) -> bytes:
    """The comparison as one file: a row a picture, the picture itself first and then a pane a method. Where there are
    several layers or classes, a row a picture and method.

    Args:
        explanation: what the engine answered.
        view: how maps are drawn.
        columns: names of the methods to show, and `PICTURE`; left out, all.
        kind: of the file.
        lent: by a picture's digest the name of another model, and what that answered by methods that this one cannot.
    """
    rows = []
    others = lent or {}
    lent_ranges = dict(zip(others, find_ranges([entry for _, entry in others.values()], view), strict=True))
    for entry, ends in zip(explanation.pictures, find_ranges(explanation.pictures, view), strict=True):
        rows += build_rows(explanation, entry, ends, columns)
        name, other = others.get(entry.picture.digest, ("", None))
        if other is not None:
            rows[-1] = _add_lent(rows[-1], name, other, lent_ranges[entry.picture.digest], columns)
    return figure(rows, view, notes=describe_making(explanation), kind=kind)


def build_rows(
    explanation: Explanation,
    entry: PictureExplanation,
    ends: Mapping[str, tuple[float, float]],
    columns: Collection[str] | None = None,
) -> list[FigureRow]:
    """A picture's rows of the figure. What has no map has no pane, and is named below.

    Args:
        explanation: what the engine answered.
        entry: of one picture of it.
        ends: lowest and highest value shown of its maps, see `find_ranges`.
        columns: see `encode_figure`.
    """
    pixels = entry.picture.pixels
    plain = [FigurePane("Picture", describe_predictions(entry), pixels)] if _has(columns, PICTURE) else []
    label = " · ".join([entry.picture.name, ", ".join(entry.labels), explanation.model.request.name, *entry.layers])
    wanted = [heatmap for heatmap in entry.maps if _has(columns, heatmap.method)]
    missing = [title_map(entry, heatmap) for heatmap in wanted if heatmap.key not in ends]
    missing += [get_method(name).title for name in entry.unavailable if _has(columns, name)]
    peaks = find_peaks(entry.maps)
    lines: dict[str, list[FigurePane]] = {} if wanted else {"": []}
    for heatmap in wanted:
        line = lines.setdefault(heatmap.method if len(entry.layers) > 1 or len(entry.targets) > 1 else "", [])
        if heatmap.key in ends:
            line.append(_build_pane(entry, heatmap, ends[heatmap.key], peaks))
    rows = [FigureRow(label, [*plain, *panes], entry.caution) for panes in lines.values()]
    return [*rows[:-1], replace(rows[-1], missing=missing)]


def _add_lent(
    row: FigureRow,
    model: str,
    entry: PictureExplanation,
    ends: Mapping[str, tuple[float, float]],
    columns: Collection[str] | None,
) -> FigureRow:
    """The row with another model's maps, each of which names it, and no longer among what has none."""
    shown = [heatmap for heatmap in entry.maps if heatmap.key in ends and _has(columns, heatmap.method)]
    panes = [
        replace(pane, subtitle=f"From {model}, for {heatmap.label}. {pane.subtitle}")
        for heatmap in shown
        for pane in [_build_pane(entry, heatmap, ends[heatmap.key], find_peaks(entry.maps))]
    ]
    missing = [title for title in row.missing if title not in {pane.title for pane in panes}]
    return replace(row, panes=[*row.panes, *panes], missing=missing)


def _has(columns: Collection[str] | None, name: str) -> bool:
    return columns is None or name in columns


def _build_pane(
    entry: PictureExplanation,
    heatmap: Heatmap,
    ends: tuple[float, float],
    peaks: Mapping[tuple[str, str], float],
) -> FigurePane:
    method = get_method(heatmap.method)
    beside = peaks[heatmap.method, heatmap.layer]
    verdict = entry.verdicts.get(heatmap.key)
    return FigurePane(
        title_map(entry, heatmap),
        method.sentence,
        entry.picture.pixels,
        heatmap.values,
        heatmap.box,
        *ends,
        " ".join([*heatmap.warnings, describe_faintness(heatmap, beside)]).strip(),
        method.painting,
        find_strength(heatmap.values, beside),
        "" if verdict is None else verdict.line,
    )


def describe_making(explanation: Explanation) -> list[str]:
    """What a reader of the figure needs to make it again: the model, the settings, the day."""
    model, settings = explanation.model, describe_settings(explanation)
    return [
        f"Model {model.request.name}, fingerprint {model.fingerprint[:16]}; {describe_asking(explanation)}. "
        f"CAMscope, {write_today()}.",
        *([f"Settings. {settings}."] if settings else []),
        *([_VERDICTS] if any(explanation.verdicts) else []),
    ]


def describe_settings(explanation: Explanation) -> str:
    """The settings of each method that has some, e.g. `CF-CAM: eps 2; RISE: masks 500`."""
    by_method = {heatmap.method: heatmap.settings for entry in explanation.pictures for heatmap in entry.maps}
    return "; ".join(
        f"{get_method(name).title}: {', '.join(values)}"
        for name, settings in by_method.items()
        if (values := describe_values(settings))
    )


def describe_asking(explanation: Explanation) -> str:
    """What all methods were asked alike: what was differentiated, and how layers and views became one."""
    extras = [f"{explanation.score} differentiated"]
    if explanation.fusion != "none":
        extras.append(f"layers fused by {explanation.fusion}")
    if explanation.augmentation != "none":
        extras.append(f"averaged over views ({explanation.augmentation})")
    return ", ".join(extras)


def write_today() -> str:
    """The day, as `26 November 2026`."""
    today = date.today()
    return f"{today.day} {today:%B %Y}"


def find_ranges(entries: Sequence[PictureExplanation], view: RenderSettings) -> list[dict[str, tuple[float, float]]]:
    """For each picture the lowest and highest value shown, by the map's key: each map's own, or one for all maps of
    its method on any of the pictures. Methods have units of their own: two never share one.
    """
    shown = [[heatmap for heatmap in entry.maps if np.isfinite(heatmap.values).all()] for entry in entries]

    def find(maps: Iterable[Heatmap], name: str) -> tuple[float, float]:
        return value_range([heatmap.values for heatmap in maps], view.signed, get_method(name).painting)

    if view.scale == "shared":
        together: dict[str, list[Heatmap]] = {}
        for heatmap in (heatmap for maps in shown for heatmap in maps):
            together.setdefault(heatmap.method, []).append(heatmap)
        of_method = {name: find(maps, name) for name, maps in together.items()}
        return [{heatmap.key: of_method[heatmap.method] for heatmap in maps} for maps in shown]
    return [{heatmap.key: find([heatmap], heatmap.method) for heatmap in maps} for maps in shown]


def draw_overlay(
    entry: PictureExplanation, heatmap: Heatmap, view: RenderSettings, ends: tuple[float, float] | None = None
) -> np.ndarray:
    """One map on its picture at the picture's own resolution, `(H, W, 3)` uint8.

    Args:
        entry: what was answered of the picture; with a shared scale, all its maps of the method decide the colours.
        heatmap: one of its maps, without a value that is no number.
        view: how maps are drawn.
        ends: values of the first and the last colour, where more than this picture decides them; see `find_ranges`.
    """
    low, high = ends or find_ranges([entry], view)[0][heatmap.key]
    painting = get_method(heatmap.method).painting
    strength = find_strength(heatmap.values, find_peaks(entry.maps)[heatmap.method, heatmap.layer])
    return overlay(entry.picture.pixels, heatmap.values, heatmap.box, low, high, view, painting, strength)


def title_map(entry: PictureExplanation, heatmap: Heatmap) -> str:
    """Method, and layer and class where the picture has several."""
    parts = [get_method(heatmap.method).title]
    if len(entry.layers) > 1:
        parts.append(heatmap.layer)
    if len(entry.targets) > 1:
        parts.append(heatmap.label)
    return " · ".join(parts)


def describe_predictions(entry: PictureExplanation, count: int = 3) -> str:
    """The likeliest classes in one line, e.g. `cat 93 %, dog 5 %`; for a value, the number."""
    return ", ".join(prediction.describe(0) for prediction in entry.predictions[:count])
