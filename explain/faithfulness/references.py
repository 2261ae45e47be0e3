"""What a picture or a volume under test is compared with: the examples that ship, whole, mirrored and in parts; drawn
volumes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from itertools import islice

import numpy as np
from PIL import Image

from explain.bundled.phantoms.draw import SPACING, draw_phantom
from explain.bundled.phantoms.kinds import KINDS
from explain.bundled.pictures import bundled_pictures
from explain.pictures.decode import decode
from explain.pictures.picture import Picture, build_picture
from explain.volumes.from_array import build_volume
from explain.volumes.volume import Volume
from explain.worlds import phantoms

_LONGEST = 384  # pixels; more would only be cut down again by the model's own input
_PHANTOM, _PHANTOMS = 64, 9_500_000  # side, and the first seed; no network learned from these
_VOLUMES = 9_600_000  # the first seed; no network learned from these either
_PART = 0.7  # of each side
_PLACES = ((0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0))  # of a part: how far down and across, 0…1


def list_references(labels: Sequence[str], besides: str, count: int) -> tuple[Picture, ...]:
    """Pictures that a model with these labels may meet: drawn birds or radiographs for one that knows those, else
    photographs.

    Args:
        labels: of the model.
        besides: digest of the picture under test. Neither it nor a part of it is among them.
        count: how many, as far as there are: first all of the examples whole, then each mirrored, then parts.
    """
    if {*labels} == {*phantoms.CLASSES}:
        return tuple(islice((one for one in _draw_phantoms() if one.digest != besides), count))
    drawn = any(entry.seed is not None and {*entry.classes} & {*labels} for entry in bundled_pictures())
    names = [entry.name for entry in bundled_pictures() if not entry.scan and (entry.seed is not None) == drawn]
    versions = zip(*(_versions(name) for name in names if _digest(name) != besides), strict=True)
    return tuple(islice((picture for some in versions for picture in some), count))


def describe_unlikeness(picture: Picture) -> str:
    """Why the pictures at hand say little about maps of this one, as the end of a sentence; empty where they do."""
    if picture.kind != "scan":
        return ""
    return "how its maps compare with those of other scans, because the pictures at hand are none"


def name_volumes(count: int) -> tuple[str, ...]:
    """What tells the volumes of `list_volumes` from others, without drawing them."""
    return tuple(f"phantom {seed}" for seed in range(_VOLUMES, _VOLUMES + count))


@cache
def list_volumes(count: int) -> tuple[Volume, ...]:
    """Drawn phantoms, of every kind in turn, as they lie in the files that ship."""
    affine = np.eye(4)
    affine[:3, :3] = np.diag(SPACING)[::-1]
    drawn = [draw_phantom(KINDS[seed % len(KINDS)].name, seed) for seed in range(_VOLUMES, _VOLUMES + count)]
    return tuple(build_volume(one.values, affine, f"phantom {one.seed}", unit="HU") for one in drawn)


def describe_unlike_volumes(labels: Sequence[str]) -> str:
    """Why these volumes say little about the maps of a model with these labels, as the end of a sentence; empty where
    they do.
    """
    if {*labels} == {kind.name for kind in KINDS}:
        return ""
    return "how its maps compare with those of other scans, because the volumes at hand are drawn phantoms"


@cache
def _draw_phantoms() -> tuple[Picture, ...]:
    chests = [phantoms.draw_phantom(seed, _PHANTOM, seed % 2 == 1) for seed in range(_PHANTOMS, _PHANTOMS + 64)]
    named = [(f"phantom {number}", chest.pixels) for number, chest in enumerate(chests, 1)]
    return tuple(build_picture(name, one, hashlib.sha256(one.tobytes()).hexdigest(), ()) for name, one in named)


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(_path_bytes(name)).hexdigest()


def _path_bytes(name: str) -> bytes:
    return next(entry.path for entry in bundled_pictures() if entry.name == name).read_bytes()


@cache
def _versions(name: str) -> tuple[Picture, ...]:
    """An example whole, mirrored, and four parts of it with their mirror images, always in that order."""
    whole = decode(_path_bytes(name), name).pixels
    shrink = min(1.0, _LONGEST / max(whole.shape[:2]))
    height, width = (round(side * shrink) for side in whole.shape[:2])
    pixels = np.asarray(Image.fromarray(whole).resize((width, height), Image.Resampling.BILINEAR))
    rows, columns = round(height * _PART), round(width * _PART)
    shown = [pixels, pixels[:, ::-1]]
    for down, across in _PLACES:
        top, left = round(down * (height - rows)), round(across * (width - columns))
        part = pixels[top : top + rows, left : left + columns]
        shown += [part, part[:, ::-1]]
    return tuple(
        build_picture(name, np.ascontiguousarray(one), hashlib.sha256(f"{name} {number}".encode()).hexdigest(), ())
        for number, one in enumerate(shown)
    )
