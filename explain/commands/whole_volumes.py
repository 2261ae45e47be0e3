"""`show` with a model that reads volumes: a whole series at once, its maps with their places in millimetres."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from explain.commands.flags import encode_json, write_files
from explain.commands.series import open_series
from explain.engine.whole_volumes import VolumeExplanation
from explain.errors import ExplainError
from explain.faithfulness.verdict import SIGNS
from explain.maps.render import RenderSettings, encode_png, overlay, value_range
from explain.maps.volume_map import VolumeMap
from explain.methods import get_method
from explain.report.export import make_file_name
from explain.report.manifest import VOLUME_MAPS, build_volume_manifest, write_manifest
from explain.report.mask_files import encode_volume_masks
from explain.report.masks import find_volume_masks
from explain.volumes.planes import PLANES
from explain.volumes.volume import Volume

TABLE = "volume.json"


def open_whole(files: Sequence[Path], number: int, model: str) -> Volume:
    """The series to be explained whole; the arguments are those of `open_series`, and the model's name.

    Raises:
        ExplainError: there is none.
    """
    try:
        return open_series(files, number)
    except ExplainError as error:
        raise ExplainError(
            f"{model} reads whole volumes: name a folder or zip of a series, or NIfTI. {error}"
        ) from None


def write_volume(
    answer: VolumeExplanation, out: Path, view: RenderSettings, window: str | None, model_file: Path | None = None
) -> None:
    """Write maps with their places, their masks where some were chosen, what was answered, and each map on the planes
    through its peak; print the same.

    Args:
        answer: what the engine answered.
        out: the folder.
        view: how maps are drawn. All cuts of a map have one scale.
        window: through which window slices are shown; see `Volume.slice`.
        model_file: the checkpoint that the manifest names.

    Raises:
        ExplainError: nothing can be written there.
    """
    shown = ", ".join(prediction.describe(1) for prediction in answer.predictions[:5])
    print(f"\n{answer.volume.name}: {shown}")
    for note in answer.notes:
        print(f"  {'Caution: ' if note in answer.cautions else ''}{note}")
    print(f"  explained: {', '.join(answer.labels)}, layer {', '.join(answer.layers)}")
    files: dict[str, bytes] = encode_volume_masks(answer)
    high_at = {found.one.key: found.mask.describe() for found in find_volume_masks(answer)}
    for one in answer.maps:
        low, high = one.heatmap.range
        title = get_method(one.heatmap.method).title
        print(f"  {title:<12} {low:.3g} … {high:.3g}  {_say_peak(one)}", *one.heatmap.warnings, sep="  ")
        if one.key in high_at:
            print(f"    {high_at[one.key]}.")
        verdict = answer.verdicts.get(one.key)
        for mark in verdict.marks if verdict else ():
            print(f"    {SIGNS[mark.word]} {mark.word}: {mark.sentence}")
        files |= _draw_planes(one, view, window)
    for name, reason in answer.unavailable.items():
        print(f"  {get_method(name).title:<12} not available: {reason}")
    files[VOLUME_MAPS] = encode_volume_maps(answer)
    files["manifest.json"] = write_manifest(build_volume_manifest(answer, out, model_file))
    files[TABLE] = encode_json(describe_volume(answer))
    write_files(out, files)


def _say_peak(one: VolumeMap) -> str:
    slice_, row, column = one.peak_voxel
    place = f"highest at slice {slice_ + 1}, row {row + 1}, column {column + 1}"
    if one.peak is None:
        return place
    words = zip(one.peak, (("left", "right"), ("back", "front"), ("up", "down")), strict=True)
    return f"{place} ({', '.join(f'{abs(at):.1f} mm {way[at < 0]}' for at, way in words)})"


def _draw_planes(one: VolumeMap, view: RenderSettings, window: str | None) -> dict[str, bytes]:
    """The map on the slices through its peak, in every plane that the volume has, by file name."""
    painting = get_method(one.heatmap.method).painting
    low, high = value_range([one.values], view.signed, painting)
    found = {}
    for plane in PLANES:
        if one.volume.planes[plane]:
            continue
        index, _ = one.volume.find_point(plane, one.peak_voxel)
        cut = one.cut(plane, index)
        if cut is None or not np.isfinite(cut.values).all():
            continue
        pixels = one.volume.slice(index, plane, window).pixels
        drawn = overlay(pixels, cut.values, cut.box, low, high, view, painting)
        found[f"{make_file_name(one.key)}-{plane}-{index + 1}.png"] = encode_png(drawn)
    return found


def encode_volume_maps(answer: VolumeExplanation) -> bytes:
    """The raw maps as NPZ: `KEY` is float32 `(d, h, w)`, cells along slices, rows, columns. `KEY/voxels` leads from a
    cell (slice, row, column, 1) to the voxel at its centre, `KEY/affine` to its place in LPS millimetres, where known.
    """
    arrays: dict[str, Any] = {}
    for one in answer.maps:
        arrays[one.key] = one.values
        arrays[f"{one.key}/voxels"] = one.voxel_affine
        if one.affine is not None:
            arrays[f"{one.key}/affine"] = one.affine
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def describe_volume(answer: VolumeExplanation) -> dict[str, Any]:
    """What was answered, as data: nothing of the patient and no path."""
    return {
        "volume": {"name": answer.volume.name, "digest": answer.volume.digest, "shape": answer.volume.stored.shape},
        "model": answer.model.request.model_dump(mode="json", exclude_none=True),
        "fingerprint": answer.model.fingerprint,
        "preprocessing": answer.model.preprocessing.model_dump(mode="json"),
        "predictions": [
            {"index": one.index, "label": one.label, "probability": one.probability, "score": one.score}
            for one in answer.predictions[:5]
        ],
        "score": answer.score,
        "maps": [
            {
                "key": one.key,
                "settings": one.heatmap.settings.model_dump(mode="json"),
                "shape": one.values.shape,
                "peak_voxel": one.peak_voxel,
                "peak_lps_mm": one.peak,
                "warnings": one.heatmap.warnings,
            }
            for one in answer.maps
        ],
        "unavailable": dict(answer.unavailable),
        "notes": answer.notes,
        "device": answer.device,
        "use": "Not for diagnostic use.",
    }
