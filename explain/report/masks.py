"""Where the maps of a picture are high, with what stands beside each mask: its error bar, and in the manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from explain.engine.explanation import PictureExplanation
from explain.engine.whole_volumes import VolumeExplanation
from explain.errors import PictureError
from explain.maps.heatmap import Heatmap
from explain.maps.mask import Mask, MaskSettings, compare_masks, find_mask
from explain.maps.volume_map import WHOLE, VolumeMap
from explain.maps.volume_mask import MaskCut, VolumeMask, find_volume_mask
from explain.percent import write_share
from explain.pictures.picture import Picture

Find = Callable[[Picture, Heatmap, MaskSettings], Mask]
"""Finds the mask of a map."""


@dataclass(frozen=True, eq=False)
class MapMask:
    """Where one map is high.

    Attributes:
        heatmap: the map.
        mask: where it is high.
        millimetres: the mask's area in mm²; None where nobody knows how large the picture's pixels are.
        others: by the keys of the picture's other maps of the same class, the overlap with their masks, 0…1; of a
            volume, those of all of it.
    """

    heatmap: Heatmap
    mask: Mask
    millimetres: float | None
    others: Mapping[str, float]

    @property
    def whole(self) -> VolumeMask | None:
        """The mask of all of the volume, where the picture is a slice of one that was explained whole."""
        return self.mask.whole if isinstance(self.mask, MaskCut) else None

    @property
    def sentence(self) -> str:
        """How large it is, and how large with the threshold a little higher and lower."""
        if self.whole is not None:
            here = (
                f"here in {write_share(self.mask.area)} of the slice" if self.mask.pixels.any() else "not on this slice"
            )
            return f"{self.whole.describe()}; {here}"
        lower, higher = self.mask.areas_aside
        area = "" if self.millimetres is None else f", {self.millimetres:,.0f} mm²"
        between = f"{write_share(higher)} to {write_share(lower)}"
        return (
            f"High in {write_share(self.mask.area)} of the picture{area} ({between} with the threshold 5 points higher "
            "or lower)"
        )


class MaskEntry(BaseModel):
    """A mask as a manifest has it; see `explain.maps.mask.Mask` and `MapMask`.

    `box` is left, top, right, bottom in the picture's pixels, `area` a share of the picture; `alike_aside` are the
    overlaps with the masks at a lower and a higher threshold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: MaskSettings
    share: float
    value: float
    area: float
    areas_aside: tuple[float, float]
    millimetres: float | None
    box: tuple[float, float, float, float]
    alike_aside: tuple[float, float]
    others: dict[str, float]
    followed: bool


class VolumeMaskEntry(BaseModel):
    """A mask of a volume as a manifest has it; see `explain.maps.volume_mask.VolumeMask`.

    `extents` are from where to where it reaches along slices, rows and columns, in voxels, and `sides` the same in mm;
    `part` is a share of the volume, `millimetres` are mm³.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: MaskSettings
    share: float
    value: float
    part: float
    parts_aside: tuple[float, float]
    millimetres: float | None
    extents: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    sides: tuple[float, float, float] | None
    pieces: int
    alike_aside: tuple[float, float]
    others: dict[str, float]


def find_shown_mask(picture: Picture, heatmap: Heatmap, settings: MaskSettings) -> Mask:
    """Where a map of a picture is high; see `find_mask`. Of a slice of a volume that was explained whole, the cut of
    the mask of all of it.
    """
    whole, section = heatmap.details.get(WHOLE), picture.section
    if whole is not None and section is not None:
        return find_volume_mask(whole, settings).cut(section.plane, section.index)  # type: ignore[arg-type]
    return find_mask(heatmap.values, heatmap.box, picture.size, settings, picture.pixels)


def find_masks(entry: PictureExplanation, settings: MaskSettings, find: Find = find_shown_mask) -> list[MapMask]:
    """The masks of all maps of a picture that are high somewhere.

    Args:
        entry: what was answered of it.
        settings: how a map becomes a mask.
        find: finds one, or knows it.
    """
    found: list[tuple[Heatmap, Mask]] = []
    for heatmap in entry.maps:
        try:
            found.append((heatmap, find(entry.picture, heatmap, settings)))
        except PictureError:
            continue  # high nowhere: its pane says so
    others = _find_others([heatmap for heatmap, _ in found], [mask.compared for _, mask in found])
    return [
        MapMask(heatmap, mask, mask.measure_millimetres(entry.picture.placement), beside)
        for (heatmap, mask), beside in zip(found, others, strict=True)
    ]


def _find_others(maps: Sequence[Heatmap], masks: Sequence[np.ndarray]) -> list[dict[str, float]]:
    """For each map the overlap of its mask with those of the other maps of its class, by their keys."""
    alike = compare_masks(masks)
    return [
        {
            other.key: float(alike[number, at])
            for at, other in enumerate(maps)
            if at != number and other.target == heatmap.target
        }
        for number, heatmap in enumerate(maps)
    ]


def write_mask(found: MapMask) -> MaskEntry:
    """A mask for the manifest."""
    mask = found.mask
    return MaskEntry(
        settings=mask.settings,
        share=mask.share,
        value=mask.value,
        area=mask.area,
        areas_aside=mask.areas_aside,
        millimetres=found.millimetres,
        box=mask.box,
        alike_aside=mask.alike_aside,
        others=dict(found.others),
        followed=mask.followed,
    )


@dataclass(frozen=True, eq=False)
class MapVolumeMask:
    """Where one map of a volume is high.

    Attributes:
        one: the map.
        mask: where it is high.
        others: by the keys of the volume's other maps of the same class, the overlap with their masks, 0…1.
    """

    one: VolumeMap
    mask: VolumeMask
    others: Mapping[str, float]


def find_volume_masks(answer: VolumeExplanation) -> list[MapVolumeMask]:
    """The masks of all maps of a volume that are high somewhere; none where no masks were chosen."""
    if answer.masks is None:
        return []
    found: list[tuple[VolumeMap, VolumeMask]] = []
    for one in answer.maps:
        try:
            found.append((one, find_volume_mask(one, answer.masks)))
        except PictureError:
            continue  # high nowhere
    others = _find_others([one.heatmap for one, _ in found], [mask.voxels for _, mask in found])
    return [MapVolumeMask(one, mask, beside) for (one, mask), beside in zip(found, others, strict=True)]


def write_volume_mask(mask: VolumeMask, others: Mapping[str, float]) -> VolumeMaskEntry:
    """A mask of a volume for the manifest; `others` as `MapMask` and `MapVolumeMask` have them."""
    return VolumeMaskEntry(
        settings=mask.settings,
        share=mask.share,
        value=mask.value,
        part=mask.part,
        parts_aside=mask.parts_aside,
        millimetres=mask.millimetres,
        extents=mask.extents,
        sides=mask.sides,
        pieces=mask.pieces,
        alike_aside=mask.alike_aside,
        others=dict(others),
    )
