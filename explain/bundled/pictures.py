"""The example pictures that ship with CAMscope. None of them was in any training set; their sources are beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "pictures"


@dataclass(frozen=True)
class BundledPicture:
    """One example picture.

    Attributes:
        name: key on the command line and in links, e.g. `cat`.
        title: what is in it, in a few words.
        path: the JPEG file.
        classes: the classes of the bundled models that are in it, the most prominent first.
        credit: who made it, and where it comes from.
        licence: SPDX identifier, or `public-domain`.
    """

    name: str
    title: str
    path: Path
    classes: tuple[str, ...]
    credit: str
    licence: str


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
        )
        for entry in entries
    )
