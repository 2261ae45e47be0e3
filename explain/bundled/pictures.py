"""The example pictures that ship with CAMscope. Their sources are beside them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from explain.bundled.birds.species import PARTS
from explain.pictures.picture import freeze

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "pictures"


@dataclass(frozen=True)
class BundledPicture:
    """One example picture.

    Attributes:
        name: key on the command line and in links, e.g. `cat`.
        title: what is in it, in a few words.
        path: the JPEG file.
        classes: the classes of the bundled models that are in it, the most prominent first, those of ten things before
            those of a thousand; none where no model knows what it shows.
        credit: who made it, and where it comes from.
        licence: SPDX identifier, or `public-domain`, or `unrestricted` where who published it restricts no use.
        seed: what a drawn bird was drawn from; None for photographs. Its species is the first of the classes.
        scan: whether it is a scan, and no photograph.
    """

    name: str
    title: str
    path: Path
    classes: tuple[str, ...]
    credit: str
    licence: str
    seed: int | None = None
    scan: bool = False

    @property
    def parts(self) -> Path | None:
        """The PNG whose palette index says which part of a drawn bird a pixel belongs to; None for photographs."""
        return None if self.seed is None else self.path.with_suffix(".parts.png")


@cache
def bundled_pictures() -> tuple[BundledPicture, ...]:
    """Every example picture, in the order shown; the first is the one explained without a click."""
    entries = json.loads((FOLDER / "pictures.json").read_text(encoding="utf-8"))
    return tuple(
        BundledPicture(
            name=entry["name"],
            title=entry["title"],
            path=FOLDER / entry["file"],
            classes=tuple(entry["classes"]),
            credit=entry["credit"],
            licence=entry["licence"],
            seed=entry.get("seed"),
            scan=entry.get("scan", False),
        )
        for entry in entries
    )


def find_bundled(digest: str) -> BundledPicture | None:
    """The example whose file has this SHA-256, if there is one."""
    return _list_digests().get(digest)


@cache
def _list_digests() -> dict[str, BundledPicture]:
    return {hashlib.sha256(picture.path.read_bytes()).hexdigest(): picture for picture in bundled_pictures()}


@cache
def read_parts(picture: BundledPicture) -> dict[str, np.ndarray]:
    """Where the parts of a drawn bird are, those that are seen, each `(H, W)` bool; none for a photograph.

    A pixel belongs to the part that was drawn last there.
    """
    if picture.parts is None:
        return {}
    from PIL import Image

    with Image.open(picture.parts) as image:
        indices = np.asarray(image)
    masks = {part: freeze(indices == number) for number, part in enumerate(PARTS, start=1)}
    return {part: mask for part, mask in masks.items() if mask.any()}
