"""The manifest: what was asked, of which picture, of which model, so that anyone can ask it again.

Pictures and models are named by digest. A path is written only where the person named files on a command line, and then
as seen from the manifest's folder; no name and no path of a file whose name is hidden.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from explain.engine.explanation import Explanation
from explain.errors import ExplainError
from explain.faithfulness.measures import MeasureName
from explain.faithfulness.unlike import Unlikeness
from explain.faithfulness.verdict import VERDICT_RULES, Verdict, Word
from explain.maps.fusion import Fusion
from explain.maps.heatmap import Heatmap
from explain.models.request import ModelRequest
from explain.networks.meaning import Outputs
from explain.passes.look import Score
from explain.pictures.augmentation import Augmentation
from explain.pictures.scaling import MOST_WHITE, RULES
from explain.settings import read_refusal
from explain.volumes.planes import Plane

_MOST_BYTES = 64 * 2**20
_LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scikit-learn", "opencv-python", "pillow", "pydicom")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PredictionEntry(_Entry):
    """One of a picture's likeliest classes; see `Prediction`. Those of the first manifests have no score."""

    index: int
    label: str
    probability: float | None
    score: float | None = None


class SectionEntry(_Entry):
    """Of which volume a picture is a slice; see `explain.pictures.picture.Section`."""

    volume: str
    plane: Plane
    index: int
    window: str
    inverted: bool


class UnlikeEntry(_Entry):
    """How unlike the pictures that the model learned from, or the references, this one is; see `Unlikeness`."""

    value: float
    bound: float
    chance: float
    count: int
    made: str


class PictureEntry(_Entry):
    """One picture; `digest` is the SHA-256 of its bytes. `file` is where it was, seen from the manifest's folder.

    Of a slice of a volume, `digest` is that of what is shown, and `section` says which slice it is.

    `white` and `rules` say how the bytes became pixels; see `explain.pictures.decode.decode`. Manifests that do not
    name them were written under the first rules. `caution` is `PictureExplanation.caution`; `unlike` is there if it was
    measured.
    """

    name: str
    digest: str
    predictions: tuple[PredictionEntry, ...]
    size: tuple[int, int]
    notes: tuple[str, ...]
    unavailable: dict[str, str]
    layers: tuple[str, ...]
    targets: tuple[int, ...]
    file: str | None = None
    white: int | None = Field(default=None, ge=1, le=MOST_WHITE)
    rules: int = Field(default=1, ge=1, le=RULES)
    caution: str = ""
    section: SectionEntry | None = None
    unlike: UnlikeEntry | None = None


class ModelEntry(_Entry):
    """The model; `file` is where its checkpoint was, and `outputs` what its numbers were taken to mean."""

    request: ModelRequest
    fingerprint: str
    outputs: Outputs | None = None
    file: str | None = None


class PassesEntry(_Entry):
    """Passes of the network that the answer took."""

    forward: int
    backward: int


class MarkEntry(_Entry):
    """One thing that was said of a map, and the figure it rests on; see `explain.faithfulness.verdict.Mark`."""

    word: Word
    sentence: str
    measure: MeasureName | None
    value: float | None
    bound: float | None
    count: int


class VerdictEntry(_Entry):
    """What was said of a map, what was not measured, and by which of the `VERDICT_RULES`."""

    marks: tuple[MarkEntry, ...]
    missing: tuple[str, ...]
    rules: int = 1


class MapEntry(_Entry):
    """One map; `key` names it in the NPZ, `picture` is the digest of its picture, `verdict` is there if asked for."""

    key: str
    picture: str
    method: str
    settings: dict[str, Any]
    layer: str
    target: int
    label: str
    box: tuple[float, float, float, float]
    blank: bool
    seconds: float
    passes: PassesEntry
    warnings: tuple[str, ...]
    verdict: VerdictEntry | None = None


class Manifest(_Entry):
    """The whole of it. Not for diagnostic use."""

    kind: Literal["camscope-manifest"] = "camscope-manifest"
    format: Literal[1] = 1
    note: str = "Not for diagnostic use."
    pictures: tuple[PictureEntry, ...]
    model: ModelEntry
    maps: tuple[MapEntry, ...]
    score: Score
    fusion: Fusion
    augmentation: Augmentation
    versions: dict[str, str]


def build_manifest(
    explanation: Explanation,
    folder: Path | None = None,
    picture_files: Mapping[str, Path] | None = None,
    model_file: Path | None = None,
    first: int = 0,
) -> Manifest:
    """Describe an explanation.

    Args:
        explanation: what the engine answered.
        folder: where the manifest will lie; needed to write paths.
        picture_files: by digest, where pictures came from.
        model_file: where the checkpoint came from.
        first: place of its first picture in the request, where it is a part of one; see `join_manifests`.
    """

    def point_to(path: Path | None) -> str | None:
        return None if path is None or folder is None else Path(os.path.relpath(path, folder)).as_posix()

    pictures, maps = [], []
    for index, entry in enumerate(explanation.pictures, first):
        digest = entry.picture.source or entry.picture.digest
        pictures.append(
            PictureEntry(
                name=entry.picture.name,
                digest=digest,
                predictions=tuple(
                    PredictionEntry(index=p.index, label=p.label, probability=p.probability, score=p.score)
                    for p in entry.predictions
                ),
                size=entry.picture.size,
                notes=entry.picture.notes,
                unavailable=dict(entry.unavailable),
                layers=entry.layers,
                targets=entry.targets,
                file=point_to((picture_files or {}).get(entry.picture.digest)),
                white=entry.picture.white,
                rules=entry.picture.rules,
                caution=entry.caution,
                section=None if entry.picture.section is None else SectionEntry(**asdict(entry.picture.section)),
                unlike=write_unlike(entry.unlike),
            )
        )
        maps += [
            MapEntry(
                key=name_map(index, heatmap),
                picture=digest,
                method=heatmap.method,
                settings=heatmap.settings.model_dump(mode="json"),
                layer=heatmap.layer,
                target=heatmap.target,
                label=heatmap.label,
                box=heatmap.box,
                blank=heatmap.blank,
                seconds=heatmap.seconds,
                passes=PassesEntry(forward=heatmap.passes.forward, backward=heatmap.passes.backward),
                warnings=heatmap.warnings,
                verdict=write_verdict(entry.verdicts.get(heatmap.key)),
            )
            for heatmap in entry.maps
        ]
    model = ModelEntry(
        request=explanation.model.request,
        fingerprint=explanation.model.fingerprint,
        outputs=explanation.model.outputs,
        file=point_to(model_file),
    )
    return Manifest(
        pictures=tuple(pictures),
        model=model,
        maps=tuple(maps),
        score=explanation.score,
        fusion=explanation.fusion,
        augmentation=explanation.augmentation,
        versions=find_versions(explanation.device),
    )


def join_manifests(parts: Sequence[Manifest]) -> Manifest:
    """One manifest of those of the pictures of one request, in their order."""
    pictures = tuple(entry for part in parts for entry in part.pictures)
    maps = tuple(entry for part in parts for entry in part.maps)
    return parts[0].model_copy(update={"pictures": pictures, "maps": maps})


def write_unlike(unlike: Unlikeness) -> UnlikeEntry | None:
    """What was measured, for the manifest; None where nothing was."""
    if unlike.value is None or unlike.bound is None or unlike.chance is None:
        return None
    return UnlikeEntry(
        value=unlike.value, bound=unlike.bound, chance=unlike.chance, count=len(unlike.null), made=unlike.made
    )


def write_verdict(verdict: Verdict | None) -> VerdictEntry | None:
    """What a manifest holds of a verdict: all but the figures of what it was compared with."""
    if verdict is None:
        return None
    kept = MarkEntry.model_fields
    marks = tuple(MarkEntry(**{name: getattr(mark, name) for name in kept}) for mark in verdict.marks)
    return VerdictEntry(marks=marks, missing=verdict.missing, rules=VERDICT_RULES)


def name_map(index: int, heatmap: Heatmap) -> str:
    """Key of a map in the NPZ: place of its picture in the request, method, layer and class."""
    return f"{index}/{heatmap.key}"


def read_manifest(data: bytes) -> Manifest:
    """Read a manifest, as `encode_manifest` writes it.

    Raises:
        ExplainError: it is none, or one of another version of CAMscope; the text names the first field that is wrong.
    """
    if len(data) > _MOST_BYTES:
        raise ExplainError("The manifest is too large to be one that CAMscope wrote.")
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        refusal = read_refusal(error)
        where = refusal.path or "the file"
        raise ExplainError(f"This is no manifest that CAMscope can replay: {where}: {refusal.reason}.") from None


def find_versions(device: str) -> dict[str, str]:
    """Versions of everything that can change a number; see `Explanation.device`."""
    import torch

    versions = {name: metadata.version(name) for name in _LIBRARIES}
    versions["python"] = platform.python_version()
    versions["machine"] = platform.machine()
    versions["device"] = device
    versions["torch threads"] = str(torch.get_num_threads())
    return versions
