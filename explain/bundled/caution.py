"""What is said beside the answer of a model about a picture of a kind it has never seen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from explain.bundled.models import FIRST_MODEL, Knows, bundled_models

if TYPE_CHECKING:
    from explain.pictures.picture import Picture

_MACHINES = {
    "CR": "X-rays",
    "DX": "X-rays",
    "RG": "X-rays",
    "MG": "mammograms",
    "CT": "CT slices",
    "MR": "MR slices",
    "US": "ultrasound",
    "PT": "PET slices",
    "NM": "nuclear medicine",
    "XA": "angiograms",
    "RF": "fluoroscopy",
    "OP": "pictures of the eye",
    "SM": "microscopy",
    "GM": "microscopy",
    "ES": "endoscopy",
}
_KNOWN: dict[Knows, str] = {"photographs": "everyday things", "drawings": "twelve drawn birds"}


def caution_of(model: str, picture: Picture, source: str = "bundled", labels: Sequence[str] = ()) -> str:
    """The caution for what a model says of a picture; empty where it knows that kind of picture, or where nobody knows
    what it learned from.

    Args:
        model: the model's name.
        picture: the picture.
        source: where the model is from. Of the hub's, those with ImageNet's classes are known to know photographs.
        labels: names of the model's classes.
    """
    knows = _list_known().get(model) if source == "bundled" else None
    if source == "hub" and {*labels} == _list_things():
        knows = "photographs"
    if knows is None:
        return ""
    if picture.modality is not None:
        return _contrast(model, knows, _MACHINES.get(picture.modality, "medical pictures"))
    kind = picture.kind
    if kind == "scan":
        return _doubt("an X-ray or a scan", model, knows)
    if kind == "page":
        return _doubt("text or a line drawing", model, knows)
    if kind == "drawing" and knows == "photographs":
        return _doubt("a drawing", model, knows)
    return _contrast(model, knows, "photographs") if kind == "photograph" and knows == "drawings" else ""


def _contrast(model: str, knows: Knows, seen: str) -> str:
    return f"{model} knows {_KNOWN[knows]}, not {seen}. What it says here means little."


def _doubt(seen: str, model: str, knows: Knows) -> str:
    known = "photographs" if seen == "a drawing" else _KNOWN[knows]
    return f"This looks like {seen}. {model} knows {known}: what it says here means little."


@cache
def _list_things() -> set[str]:
    """The thousand classes of ImageNet."""
    return {*next(model.classes for model in bundled_models() if model.name == FIRST_MODEL)}


@cache
def _list_known() -> dict[str, Knows]:
    return {model.name: model.knows for model in bundled_models()}
