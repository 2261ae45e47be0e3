"""A class's field guide: for each important head the pictures where it fires most, cut out at the peak."""

from __future__ import annotations

import io
import json
import threading
import unicodedata
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from explain.engine.engine import Engine
from explain.engine.question import find_target
from explain.errors import MethodError, PictureError
from explain.maps.figure import FigurePane, FigureRow, figure
from explain.maps.heatmap import find_peak
from explain.maps.render import RenderSettings, encode_png
from explain.percent import write_percent
from explain.pictures.geometry import Box, find_box
from explain.pictures.picture import Picture, freeze
from explain.progress import Progress

if TYPE_CHECKING:
    from explain.models.loaded import LoadedModel
    from explain.models.request import ModelRequest

CROP_SHARE = 0.35
"""Side of a crop, as a share of the shorter side of what the model sees of the picture."""

_SMALLEST_CROP, _LARGEST_CROP = 8, 256  # pixels; a larger one is kept reduced to this
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # so that the same gallery is the same file


@dataclass(frozen=True, eq=False)
class Crop:
    """What a head looks at most in one picture.

    Attributes:
        name: the picture's. Shown, never used as a path.
        digest: the picture's.
        pixels: `(h, w, 3)` uint8, at most 256 pixels a side.
        place: where the crop lies in the picture, at whole pixels.
        peak: where the head's attention is highest, x and y in the picture's pixels.
        attention: there, 0…1.
        probability: of the class in this picture, 0…1.
        right: whether the class is the likeliest in this picture.
    """

    name: str
    digest: str
    pixels: np.ndarray
    place: Box
    peak: tuple[float, float]
    attention: float
    probability: float
    right: bool


@dataclass(frozen=True, eq=False)
class GalleryTrait:
    """One head of the class.

    Attributes:
        head: its number in the last block, from 0.
        mean_rank: mean over the pictures of its place in the class's ranking, from 1, the most important.
        crops: those of pictures predicted right first, each group by falling attention.
    """

    head: int
    mean_rank: float
    crops: tuple[Crop, ...]


@dataclass(frozen=True, eq=False)
class Gallery:
    """A class's field guide.

    Attributes:
        target: index of the class.
        label: its name.
        model: what the model was asked for as.
        fingerprint: the model's.
        pictures: how many different pictures were looked at.
        right: in how many of them the class is the likeliest.
        heads: how many heads the block has.
        traits: the class's most important heads, by mean rank.
    """

    target: int
    label: str
    model: str
    fingerprint: str
    pictures: int
    right: int
    heads: int
    traits: tuple[GalleryTrait, ...]

    def as_data(self) -> dict[str, Any]:
        """Everything but the pixels, fit for JSON. `file` names the crop in the ZIP."""
        return {
            "index": self.target,
            "label": self.label,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "pictures": self.pictures,
            "predicted_right": self.right,
            "ranking": "mean rank over the pictures",
            "traits": [
                {
                    "rank": rank,
                    "head": trait.head,
                    "mean_rank": trait.mean_rank,
                    "crops": [
                        {
                            "file": _name_crop(rank, number),
                            "picture": crop.name,
                            "digest": crop.digest,
                            "place": list(crop.place),
                            "peak": list(crop.peak),
                            "attention": crop.attention,
                            "probability": crop.probability,
                            "predicted_right": crop.right,
                        }
                        for number, crop in enumerate(trait.crops, start=1)
                    ],
                }
                for rank, trait in enumerate(self.traits, start=1)
            ],
        }

    def to_png(self) -> bytes:
        """The field guide on one sheet: a row a trait."""
        rows = [
            FigureRow(
                f"Trait {rank}: head {trait.head + 1}, mean rank {trait.mean_rank:.1f} of {self.heads}",
                [FigurePane(crop.name, _describe(crop), crop.pixels) for crop in trait.crops],
            )
            for rank, trait in enumerate(self.traits, start=1)
        ]
        title = (
            f"What {self.model} looks at in “{self.label}”. {self.pictures} pictures, {self.right} of them predicted "
            "right; heads by their mean rank over the pictures."
        )
        return figure(rows, RenderSettings(), title)

    def to_zip(self) -> bytes:
        """`gallery.png`, `gallery.json` and every crop as PNG."""
        files = {
            "gallery.png": self.to_png(),
            "gallery.json": json.dumps(self.as_data(), indent=1, ensure_ascii=False).encode(),
        }
        for rank, trait in enumerate(self.traits, start=1):
            files |= {_name_crop(rank, n): encode_png(crop.pixels) for n, crop in enumerate(trait.crops, start=1)}
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in files.items():
                archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), data)
        return buffer.getvalue()


def collect_gallery(
    engine: Engine,
    pictures: Iterable[Picture],
    model: str | ModelRequest | LoadedModel,
    target: int | str,
    traits: int = 4,
    crops: int = 6,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    total: int | None = None,
) -> Gallery:
    """Look at the pictures of a class through its prompt, one after the other.

    The heads shown are those with the smallest mean rank over the pictures: the ranking of Prompt-CAM (section 3.3) is
    one picture's. Only the crops that may be shown are kept, so pictures may be read as they are asked for.

    Args:
        engine: runs the network, once a picture.
        pictures: of the class; the same one given twice counts once.
        model: one with class prompts.
        target: index or label of the class.
        traits: how many heads to show; a network with fewer shows all it has.
        crops: how many pictures to show of each.
        progress: called before each picture.
        cancel: when set, work stops with `Cancelled` before the next picture.
        total: how many pictures there are, for the progress of those that are read as they are asked for.

    Raises:
        MethodError: the model has no class prompts, or nothing is to be shown.
        TargetError: there is no such class.
        PictureError: there is no picture.
    """
    if traits < 1 or crops < 1:
        raise MethodError("Ask for at least one trait and one picture of each.")
    loaded = engine.load(model)
    index = find_target(loaded, target)
    label = loaded.labels[index]
    count = len(pictures) if isinstance(pictures, Sized) else total
    best: defaultdict[int, list[Crop]] = defaultdict(list)
    ranks: defaultdict[int, int] = defaultdict(int)
    digests: set[str] = set()
    right = 0
    for number, picture in enumerate(pictures):
        if progress:
            progress(number / count if count else 0.0, picture.name)
        if picture.digest in digests:
            continue
        capture = engine.ask_prompts(picture, loaded, [index], cancel)[index]
        digests.add(picture.digest)
        probability = float(capture.scores.cpu().double().softmax(0)[index])
        is_right = int(capture.scores.argmax()) == index
        right += is_right
        attention = capture.attention.cpu().numpy()
        box = find_box(picture.size, loaded.preprocessing)
        for rank, head in enumerate(capture.ranking.order, start=1):
            ranks[head] += rank
            kept, highest = best[head], float(attention[head].max())
            if len(kept) == crops and (kept[-1].right, kept[-1].attention) >= (is_right, highest):
                continue
            peak = find_peak(attention[head], box)
            place = _place_crop(peak, box, picture.size)
            pixels = _cut(picture.pixels, place)
            kept.append(Crop(picture.name, picture.digest, pixels, place, peak, highest, probability, is_right))
            kept.sort(key=lambda crop: (crop.right, crop.attention), reverse=True)
            del kept[crops:]
    if not digests:
        raise PictureError(f"There is no picture of “{label}” to look at. Give some.")
    order = sorted(ranks, key=lambda head: (ranks[head], head))[:traits]
    return Gallery(
        target=index,
        label=label,
        model=loaded.request.name,
        fingerprint=loaded.fingerprint,
        pictures=len(digests),
        right=right,
        heads=len(ranks),
        traits=tuple(GalleryTrait(head, ranks[head] / len(digests), tuple(best[head])) for head in order),
    )


def list_class_files(folder: Path, label: str) -> list[Path]:
    """The files of a class: those in folders named as it, such as `train/LABEL`, or, where there is no such folder, the
    files in the folder itself. In the order of their names.

    Raises:
        PictureError: there is none.
    """
    wanted = unicodedata.normalize("NFC", label)
    below = sorted(folder.rglob("*"))
    named = [path for path in below if path.is_dir() and unicodedata.normalize("NFC", path.name) == wanted]
    places = named or [folder]
    files = [path for path in below if path.parent in places and path.is_file() and not path.name.startswith(".")]
    if not files:
        raise PictureError(f"“{folder}” holds no pictures of “{label}”. Name a folder of pictures of that class.")
    return files


def _place_crop(peak: tuple[float, float], box: Box, size: tuple[int, int]) -> Box:
    """A square around a peak, at whole pixels, moved into the picture where it would reach beyond."""
    height, width = size
    seen = min(span.length for span in box.clipped(size).spans)
    side = max(round(CROP_SHARE * seen), _SMALLEST_CROP)
    across, down = min(side, width), min(side, height)
    left = min(max(round(peak[0] - across / 2), 0), width - across)
    top = min(max(round(peak[1] - down / 2), 0), height - down)
    return Box(left, top, left + across, top + down)


def _cut(pixels: np.ndarray, place: Box) -> np.ndarray:
    crop = pixels[place.slices].copy()
    factor = _LARGEST_CROP / max(crop.shape[:2])
    if factor < 1:
        height, width = (max(round(side * factor), 1) for side in crop.shape[:2])
        crop = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA)
    return freeze(crop)


def _name_crop(rank: int, number: int) -> str:
    return f"trait-{rank}/{number:02d}.png"


def _describe(crop: Crop) -> str:
    verdict = "" if crop.right else ", predicted as another class"
    return f"attention {write_percent(crop.attention)}, class {write_percent(crop.probability)}{verdict}"
