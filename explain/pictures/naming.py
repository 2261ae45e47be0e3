"""What a picture is called where others may read it: a file's name may be a patient's."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from explain.pictures.picture import Picture

Names = Literal["auto", "hidden", "shown"]
"""Whose file names stay hidden: those of DICOM files, all, or none."""

_DIGITS = 6


def is_hidden(names: Names, dicom: bool) -> bool:
    """Whether a file's name is kept from whoever looks on."""
    return names == "hidden" or (names == "auto" and dicom)


def hide_name(picture: Picture, number: int, names: Names) -> Picture:
    """The picture with a name that tells nothing of a person, where its own is hidden: `Picture 1 · 3dd31e`.

    A slice of a series is called by that series' kind and its place in it, which tell nothing.

    Args:
        picture: the picture.
        number: its place among those beside it, from 1.
        names: which names are hidden.
    """
    if picture.section is not None or not is_hidden(names, picture.modality is not None):
        return picture
    return replace(picture, name=f"Picture {number} · {(picture.source or picture.digest)[:_DIGITS]}")
