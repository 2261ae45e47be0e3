"""Where maps are high, as files: a PNG a map, and a NIfTI file for slices whose place in the patient is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from explain.engine.explanation import Explanation, PictureExplanation
from explain.engine.whole_volumes import VolumeExplanation
from explain.maps.heatmap import Heatmap
from explain.maps.mask import MaskSettings
from explain.maps.render import encode_png
from explain.maps.volume_mask import VolumeMask
from explain.pictures.geometry import Box
from explain.report.export import encode_manifest, make_file_name, name_overlays
from explain.report.masks import MapMask, find_masks, find_volume_masks
from explain.report.scans.gathering import Gatherer, SliceMap, has_place
from explain.report.scans.nifti import encode_nifti
from explain.report.scans.writing import pack

INSIDE = 255
"""A pixel of a PNG where the map is high; all others are 0. In a NIfTI file it is 1."""


class MaskFiles:
    """Files of masks, made while the answers come; see `explain.report.export.Taker`. There are none of pictures whose
    maps do not become masks.
    """

    def __init__(self) -> None:
        self._gatherer = Gatherer()

    def take(
        self,
        explanation: Explanation,
        entry: PictureExplanation,
        ends: Mapping[str, tuple[float, float]],
        number: int,
        file: Path | None = None,
    ) -> dict[str, bytes]:
        """Write a PNG of the picture's size for each map, and keep what lies in a patient."""
        if entry.masks is None:
            return {}
        masks = {found.heatmap.key: found for found in find_masks(entry, entry.masks)}
        if has_place(entry.picture):
            self._gather(entry, {key: found for key, found in masks.items() if found.whole is None})
        files = _encode_wholes([(found.heatmap, found.whole) for found in masks.values() if found.whole is not None])
        return files | {
            f"{Path(name).stem}.mask.png": encode_png(masks[heatmap.key].mask.enlarge().astype(np.uint8) * INSIDE)
            for name, heatmap in name_overlays(number - 1, entry, masks)
        }

    def _gather(self, entry: PictureExplanation, masks: Mapping[str, MapMask]) -> None:
        picture = entry.picture
        assert picture.section is not None and picture.placement is not None
        for found in masks.values():
            values = found.mask.pixels.astype(np.float32)
            laid = replace(found.heatmap, values=values, box=Box.whole(picture.size))
            self._gatherer.add_map(SliceMap(laid, picture.section, picture.placement, picture.name))

    def finish(self) -> dict[str, bytes]:
        """The masks of slices beside each other as one NIfTI file a method, layer and class."""
        files: dict[str, bytes] = {}
        for scan in self._gatherer.list_maps():
            heatmap = scan.heatmap
            name = f"{scan.name}-{make_file_name(heatmap.method)}-{make_file_name(heatmap.layer)}-{heatmap.target}"
            number, free = 1, f"{name}.mask.nii.gz"
            while free in files:
                number += 1
                free = f"{name}-{number}.mask.nii.gz"
            files[free] = encode_nifti(scan.values, scan.affine)
        return files


def encode_volume_masks(answer: VolumeExplanation) -> dict[str, bytes]:
    """The masks of the maps of a volume as NIfTI, by file name; none where nobody knows where it lies."""
    return _encode_wholes([(found.one.heatmap, found.mask) for found in find_volume_masks(answer)])


def _encode_wholes(masks: Sequence[tuple[Heatmap, VolumeMask]]) -> dict[str, bytes]:
    """A NIfTI file a mask whose place is known, by file name: 1 where the map is high."""
    return {
        f"volume-{make_file_name(one.method)}-{make_file_name(one.layer)}-{one.target}.mask.nii.gz": encode_nifti(
            mask.voxels.astype(np.float32), mask.affine
        )
        for one, mask in masks
        if mask.affine is not None
    }


def encode_masks(explanation: Explanation, settings: MaskSettings) -> bytes:
    """A zip with the masks of all maps of an answer, and the manifest with their figures."""
    entries = tuple(replace(entry, masks=settings) for entry in explanation.pictures)
    explanation = replace(explanation, pictures=entries)
    writer, files = MaskFiles(), dict[str, bytes]()
    for number, entry in enumerate(explanation.pictures, 1):
        files |= writer.take(explanation, entry, {}, number)
    return pack({**files, **writer.finish(), "manifest.json": encode_manifest(explanation)})
