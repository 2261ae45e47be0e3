"""What is said beside the answer of a model about a picture of a kind it has never seen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from explain.bundled.models import FIRST_MODEL, Knows, bundled_models, bundled_volume_models
from explain.pictures.kind import Scan, tell_scan

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
_KNOWN: dict[Knows, str] = {
    "photographs": "everyday things",
    "drawings": "twelve drawn birds",
    "mr-slices": "MR slices of the brain",
    "radiographs": "frontal chest X-rays",
    "phantoms": "drawn phantoms",
}
_SCANNED: dict[Knows, tuple[str, Scan]] = {"mr-slices": ("MR slices", "slice"), "radiographs": ("X-rays", "radiograph")}
"""What machines a model of scans has seen pictures of, and what those look like."""

_OF_PHANTOMS = "OT"
"""What drawn phantoms say of the machine that they come from: another than any that is named."""

_LOOKS: dict[Scan, str] = {"slice": "a slice of a body", "radiograph": "an X-ray"}


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
    if knows == "phantoms" and picture.modality == _OF_PHANTOMS:
        return ""
    if picture.modality is not None:
        seen = _MACHINES.get(picture.modality, "medical pictures")
        return "" if knows_scan(knows, picture) else _contrast(model, knows, seen)
    kind = picture.kind
    if kind == "scan":
        if knows not in _SCANNED:
            return _doubt("an X-ray or a scan", model, knows)
        return "" if knows_scan(knows, picture) else _doubt(_LOOKS[tell_scan(picture.pixels)], model, knows)
    if kind == "page":
        return _doubt("text or a line drawing", model, knows)
    if kind == "drawing" and knows != "drawings":
        return _doubt("a drawing", model, knows)
    return _contrast(model, knows, "photographs") if kind == "photograph" and knows != "photographs" else ""


def find_scan_model(picture: Picture) -> tuple[str, str] | None:
    """The first bundled model that has seen scans of this kind, and what it knows, in words; None where none has."""
    for model in bundled_models():
        if knows_scan(model.knows, picture):
            return model.name, _KNOWN[model.knows]
    return None


def knows_scan(knows: Knows, picture: Picture) -> bool:
    """Whether models of that knowledge have seen scans of the picture's kind, by its file or else by its looks."""
    if knows not in _SCANNED or picture.kind != "scan":
        return False
    machine, looks = _SCANNED[knows]
    if picture.modality is not None:
        return _MACHINES.get(picture.modality) == machine
    return tell_scan(picture.pixels) == looks


def _contrast(model: str, knows: Knows, seen: str) -> str:
    return f"{model} knows {_KNOWN[knows]}, not {seen}. What it says here means little."


def _doubt(seen: str, model: str, knows: Knows) -> str:
    known = "photographs" if seen == "a drawing" and knows == "photographs" else _KNOWN[knows]
    return f"This looks like {seen}. {model} knows {known}: what it says here means little."


@cache
def _list_things() -> set[str]:
    """The thousand classes of ImageNet."""
    return {*next(model.classes for model in bundled_models() if model.name == FIRST_MODEL)}


@cache
def _list_known() -> dict[str, Knows]:
    return {model.name: model.knows for model in (*bundled_models(), *bundled_volume_models())}
