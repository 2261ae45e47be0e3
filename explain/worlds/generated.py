"""Photographs and generated pictures: what a network that tells them apart says once their finest pixels are gone.

After CIFAKE (Bird and Lotfi 2024, doi 10.1109/ACCESS.2024.3356122): CIFAR-10 beside what Stable Diffusion 1.4 made of
the names of its classes. The table is what `benchmarks.generated` wrote; nothing here measures.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict

from explain.bundled.pictures import bundled_pictures
from explain.pictures.decode import decode
from explain.pictures.picture import Picture
from explain.worlds.worlds import FOLDER, build_shown

MODEL = "real-or-generated"
CLASSES = ("photograph", "generated")
EXPLAINED = CLASSES.index("generated")
"""The class whose maps are compared: another one's would differ for that alone."""

FOLDERS = ("real", "fake")
"""Of CIFAKE, in the order of the classes."""

EPOCHS = 8
"""Of the network's training."""

SIDE = 32
"""Pixels along a side of what the network was trained on, and sees."""

_ENLARGED = 8  # each pixel is shown as a square of so many
_QUALITY = 75  # of CIFAKE's JPEG files, by their quantisation tables; another one might give a picture away

Filter = Literal["lanczos", "bicubic", "bilinear", "box"]
FILTERS: dict[Filter, Image.Resampling] = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
}
"""Ways of making a picture smaller and larger; the first is the one on the page."""


class Tested(BaseModel):
    """What the network says of some pictures.

    Attributes:
        name: how they were changed.
        right: the share that it names rightly, 0…1.
        interval: Wilson's, 95 %.
        generated: the share that it calls generated.
        pictures: how many there are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    right: float
    interval: tuple[float, float]
    generated: float
    pictures: int


class Alike(BaseModel):
    """How alike a method's maps are of pictures whose answer changes once they are halved and enlarged.

    Attributes:
        same: rank correlation of the map before with the map after, for the same class: the median.
        quartiles: of the same.
        other: the median with the map of another picture.
        pictures: how many there are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    same: float
    quartiles: tuple[float, float]
    other: float
    pictures: int


class Generated(BaseModel):
    """The table.

    Attributes:
        made_by: the command that wrote it.
        learned: how many pictures the network learned from.
        epochs: of its training.
        tested: a row a change, the pictures as they are first.
        own: the same of the photographs that ship, made as small as the others.
        alike: by method.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    made_by: str
    learned: int
    epochs: int
    tested: tuple[Tested, ...]
    own: tuple[Tested, ...]
    alike: dict[str, Alike]


@cache
def read_generated() -> Generated | None:
    """The table that ships; None where there is none."""
    path = FOLDER / "generated.json"
    return Generated.model_validate_json(path.read_bytes()) if path.is_file() else None


def halve(pixels: np.ndarray, by: Filter = "lanczos") -> np.ndarray:
    """A picture made half as large and enlarged again, `(H, W, 3)` uint8, of even sides: the finer half of its spectrum
    is gone.
    """
    height, width = pixels.shape[:2]
    whole = Image.fromarray(pixels)
    half = whole.resize((width // 2, height // 2), FILTERS[by])
    return np.asarray(half.resize((width, height), FILTERS[by]))


def save_as_jpeg(pixels: np.ndarray) -> np.ndarray:
    """What is left of a picture `(H, W, 3)` uint8 once it was a JPEG file such as CIFAKE's."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=_QUALITY)
    return np.asarray(Image.open(buffer).convert("RGB"))


def reduce(pixels: np.ndarray) -> np.ndarray:
    """The middle square of a photograph as small as the network's pictures, through the same kind of file."""
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    square = Image.fromarray(np.ascontiguousarray(pixels[top : top + side, left : left + side]))
    return save_as_jpeg(np.asarray(square.resize((SIDE, SIDE), Image.Resampling.LANCZOS)))


@cache
def list_own() -> tuple[tuple[str, np.ndarray], ...]:
    """The photographs that ship, by name, reduced."""
    photographs = [entry for entry in bundled_pictures() if entry.seed is None and not entry.scan]
    return tuple((one.name, reduce(decode(one.path.read_bytes(), one.name).pixels)) for one in photographs)


@cache
def list_generated() -> tuple[tuple[str, np.ndarray], ...]:
    """The generated pictures that ship, by name: the first of CIFAKE's test part in the order of their names."""
    paths = sorted((FOLDER / "generated").glob("*.jpg"))
    return tuple((path.stem, decode(path.read_bytes(), path.name).pixels) for path in paths)


def list_small() -> tuple[tuple[str, np.ndarray, str], ...]:
    """Name, pixels `(32, 32, 3)` and class of the pictures to be shown: generated ones and photographs in turn."""
    pairs = zip(list_generated(), list_own(), strict=False)
    made, taken = CLASSES[EXPLAINED], CLASSES[0]
    return tuple(
        one for first, second in pairs for one in ((f"generated {first[0]}", first[1], made), (*second, taken))
    )


def show_pixels(name: str, small: np.ndarray) -> Picture:
    """A picture of 32×32 pixels to look at, each of them a square, of which the network is given the very pixels."""
    return build_shown(name, small.repeat(_ENLARGED, 0).repeat(_ENLARGED, 1))
