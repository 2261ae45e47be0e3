"""What leaves CAMscope: the figure, the overlays, the raw maps and the manifest."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from explain.engine.explanation import Explanation, PictureExplanation
from explain.maps.figure import FigurePane, FigureRow, figure
from explain.maps.heatmap import Heatmap
from explain.maps.render import RenderSettings, encode_png, overlay, value_range
from explain.methods import get_method
from explain.report.manifest import build_manifest, name_map


def encode_maps(explanation: Explanation) -> bytes:
    """The raw maps as NPZ, float32, under the keys the manifest gives."""
    maps = {
        name_map(index, heatmap): heatmap.values
        for index, entry in enumerate(explanation.pictures)
        for heatmap in entry.maps
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **maps)
    return buffer.getvalue()


def encode_manifest(
    explanation: Explanation,
    folder: Path | None = None,
    picture_files: Mapping[str, Path] | None = None,
    model_file: Path | None = None,
) -> bytes:
    """The manifest as JSON; see `build_manifest`."""
    manifest = build_manifest(explanation, folder, picture_files, model_file)
    return manifest.model_dump_json(indent=2).encode()


def encode_figure(explanation: Explanation, view: RenderSettings) -> bytes:
    """The comparison as one PNG: a row a picture, the picture itself first and then a pane a method."""
    model = explanation.model.request.name
    rows = [
        FigureRow(
            " · ".join([entry.picture.name, ", ".join(entry.labels), model, *entry.layers]), _build_panes(entry, view)
        )
        for entry in explanation.pictures
    ]
    return figure(rows, view)


def find_ranges(entry: PictureExplanation, view: RenderSettings) -> dict[str, tuple[float, float]]:
    """Lowest and highest value shown, by the map's key: each map's own, or one for all maps of the picture."""
    shown = [heatmap for heatmap in entry.maps if np.isfinite(heatmap.values).all()]
    if view.scale == "shared":
        shared = value_range([heatmap.values for heatmap in shown], view.signed)
        return {heatmap.key: shared for heatmap in shown}
    return {heatmap.key: value_range([heatmap.values], view.signed) for heatmap in shown}


def draw_overlay(entry: PictureExplanation, heatmap: Heatmap, view: RenderSettings) -> np.ndarray:
    """One map on its picture at the picture's own resolution, `(H, W, 3)` uint8.

    Args:
        entry: what was answered of the picture; with a shared scale, all its maps decide the colours.
        heatmap: one of its maps, without a value that is no number.
        view: how maps are drawn.
    """
    low, high = find_ranges(entry, view)[heatmap.key]
    return overlay(entry.picture.pixels, heatmap.values, heatmap.box, low, high, view)


def save(
    explanation: Explanation,
    folder: str | Path,
    view: RenderSettings | None = None,
    picture_files: Mapping[str, Path] | None = None,
    model_file: Path | None = None,
) -> Path:
    """Write overlays, `figure.png`, `maps.npz` and `manifest.json` into a folder, which is made if missing.

    Args:
        explanation: what the engine answered.
        folder: where to; an overlay a map is named by picture, method, layer and class.
        view: how maps are drawn.
        picture_files: by picture digest, the files the manifest names, so that it replays without being told.
        model_file: the checkpoint the manifest names.

    Returns:
        The folder.
    """
    view = view or RenderSettings()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for index, entry in enumerate(explanation.pictures):
        ranges = find_ranges(entry, view)
        for heatmap in entry.maps:
            if heatmap.key in ranges:
                what = make_file_name(heatmap.key.replace("/", "-"))
                name = f"{index + 1:02d}-{make_file_name(Path(entry.picture.name).stem)}-{what}.png"
                (folder / name).write_bytes(encode_png(draw_overlay(entry, heatmap, view)))
    (folder / "figure.png").write_bytes(encode_figure(explanation, view))
    (folder / "maps.npz").write_bytes(encode_maps(explanation))
    (folder / "manifest.json").write_bytes(encode_manifest(explanation, folder, picture_files, model_file))
    return folder


def make_file_name(name: str) -> str:
    """A name as part of a file name: letters, digits, dot, dash and underline, at most 60 of them."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "picture"


def _build_panes(entry: PictureExplanation, view: RenderSettings) -> list[FigurePane]:
    pixels = entry.picture.pixels
    panes = [FigurePane("Picture", describe_predictions(entry), pixels)]
    ranges = find_ranges(entry, view)
    for heatmap in entry.maps:
        method = get_method(heatmap.method)
        note = " ".join(heatmap.warnings)
        title = _name_map(entry, heatmap)
        if heatmap.key in ranges:
            low, high = ranges[heatmap.key]
            panes.append(FigurePane(title, method.sentence, pixels, heatmap.values, heatmap.box, low, high, note))
        else:
            panes.append(FigurePane(title, method.sentence, pixels, note=note))
    for name, reason in entry.unavailable.items():
        panes.append(FigurePane(get_method(name).title, "Not available", pixels, note=reason))
    return panes


def _name_map(entry: PictureExplanation, heatmap: Heatmap) -> str:
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
