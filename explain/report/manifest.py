"""The manifest: what was asked, of which picture, of which model, so that anyone can ask it again.

Pictures and models are named by digest. A path is written only where the person named files on a command line, and then
as seen from the manifest's folder; no name and no path of a file whose name is hidden.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from explain.engine.explanation import Explanation, PictureExplanation, Prediction
from explain.engine.whole_volumes import VolumeExplanation
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
from explain.report.masks import (
    MaskEntry,
    VolumeMaskEntry,
    find_masks,
    find_volume_masks,
    write_mask,
    write_volume_mask,
)
from explain.report.sentence import SENTENCE_RULES, write_sentence
from explain.settings import read_refusal
from explain.volumes.planes import Plane

VOLUME_MAPS = "volume-maps.npz"
"""The file beside a manifest of a volume that has its maps under the keys that it gives."""

if TYPE_CHECKING:
    from explain.models.loaded import LoadedModel

_PLACES = 6  # of an affine's numbers: a millionth of a millimetre
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


class SentenceEntry(_Entry):
    """What was said of a picture in a sentence, the figures in it, and by which of the `SENTENCE_RULES`."""

    text: str
    figures: tuple[float, ...]
    rules: int


class PictureEntry(_Entry):
    """One picture; `digest` is the SHA-256 of its bytes. `file` is where it was, seen from the manifest's folder.

    Of a slice of a volume, `digest` is that of what is shown, and `section` says which slice it is.

    `white` and `rules` say how the bytes became pixels; see `explain.pictures.decode.decode`. Manifests that do not
    name them were written under the first rules. `caution` is `PictureExplanation.caution`; `unlike` is there if it was
    measured. Manifests from before there were sentences have none.
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
    sentence: SentenceEntry | None = None


class VolumeEntry(_Entry):
    """One volume that was explained whole; `digest` is that of its files, in whichever order and under whichever names.

    `shape` counts slices, rows and columns as stored, missing ones too; `spacing` is millimetres along them, `affine`
    the first three rows from (slice, row, column, 1) to LPS millimetres. Nothing of the patient is in it.
    """

    name: str
    digest: str
    kind: Literal["dicom", "nifti"]
    modality: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float] | None
    affine: tuple[float, ...] | None = Field(default=None, min_length=12, max_length=12)
    missing: tuple[int, ...]
    predictions: tuple[PredictionEntry, ...]
    notes: tuple[str, ...]
    unavailable: dict[str, str]
    layers: tuple[str, ...]
    targets: tuple[int, ...]


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
    """One map; `key` names it in the NPZ, `picture` is the digest of its picture, `verdict` and `mask` are there if
    asked for.

    `box` is left, top, right, bottom in the picture's pixels; of a volume, whose digest `picture` is then, from where
    to where along slices, rows and columns, in voxels. `volume_mask` is that of all of a volume.
    """

    key: str
    picture: str
    method: str
    settings: dict[str, Any]
    layer: str
    target: int
    label: str
    box: tuple[float, float, float, float] | tuple[float, float, float, float, float, float]
    blank: bool
    seconds: float
    passes: PassesEntry
    warnings: tuple[str, ...]
    verdict: VerdictEntry | None = None
    mask: MaskEntry | None = None
    volume_mask: VolumeMaskEntry | None = None


class Manifest(_Entry):
    """The whole of it. Not for diagnostic use. Format 1 is of pictures, 2 of volumes that were explained whole."""

    kind: Literal["camscope-manifest"] = "camscope-manifest"
    format: Literal[1, 2] = 1
    note: str = "Not for diagnostic use."
    pictures: tuple[PictureEntry, ...] = ()
    volumes: tuple[VolumeEntry, ...] = ()
    model: ModelEntry
    maps: tuple[MapEntry, ...]
    score: Score
    fusion: Fusion
    augmentation: Augmentation
    versions: dict[str, str]

    @model_validator(mode="after")
    def _check(self) -> Manifest:
        if (self.format == 1 and self.volumes) or (self.format == 2 and self.pictures):
            raise ValueError("format 1 is of pictures, and format 2 of volumes")
        return self


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

    pictures, maps = [], []
    for index, entry in enumerate(explanation.pictures, first):
        digest = entry.picture.source or entry.picture.digest
        pictures.append(
            PictureEntry(
                name=entry.picture.name,
                digest=digest,
                predictions=_write_predictions(entry.predictions),
                size=entry.picture.size,
                notes=entry.picture.notes,
                unavailable=dict(entry.unavailable),
                layers=entry.layers,
                targets=entry.targets,
                file=_point_to((picture_files or {}).get(entry.picture.digest), folder),
                white=entry.picture.white,
                rules=entry.picture.rules,
                caution=entry.caution,
                section=None if entry.picture.section is None else SectionEntry(**asdict(entry.picture.section)),
                unlike=write_unlike(entry.unlike),
                sentence=_write_sentence(entry),
            )
        )
        found = [] if entry.masks is None else find_masks(entry, entry.masks)
        high = {one.heatmap.key: write_mask(one) for one in found}
        wholes = {one.heatmap.key: write_volume_mask(one.whole, one.others) for one in found if one.whole is not None}
        for heatmap in entry.maps:
            made = _write_map(name_map(index, heatmap), digest, heatmap, heatmap.box, entry.verdicts.get(heatmap.key))
            mask, whole = high.get(heatmap.key), wholes.get(heatmap.key)
            maps.append(made.model_copy(update={"mask": mask, "volume_mask": whole}))
    return Manifest(
        pictures=tuple(pictures),
        model=_write_model(explanation.model, _point_to(model_file, folder)),
        maps=tuple(maps),
        score=explanation.score,
        fusion=explanation.fusion,
        augmentation=explanation.augmentation,
        versions=find_versions(explanation.device),
    )


def _write_sentence(entry: PictureExplanation) -> SentenceEntry:
    sentence = write_sentence(entry)
    figures = tuple(figure.value for clause in sentence.clauses for figure in clause.figures)
    return SentenceEntry(text=sentence.text, figures=figures, rules=SENTENCE_RULES)


def _point_to(path: Path | None, folder: Path | None) -> str | None:
    """A path as seen from the manifest's folder; None where either is not known."""
    return None if path is None or folder is None else Path(os.path.relpath(path, folder)).as_posix()


def _write_predictions(predictions: Sequence[Prediction]) -> tuple[PredictionEntry, ...]:
    return tuple(
        PredictionEntry(index=p.index, label=p.label, probability=p.probability, score=p.score) for p in predictions
    )


def _write_model(model: LoadedModel, file: str | None) -> ModelEntry:
    return ModelEntry(request=model.request, fingerprint=model.fingerprint, outputs=model.outputs, file=file)


def _write_map(
    key: str, picture: str, heatmap: Heatmap, box: tuple[float, ...], verdict: Verdict | None = None
) -> MapEntry:
    return MapEntry(
        key=key,
        picture=picture,
        method=heatmap.method,
        settings=heatmap.settings.model_dump(mode="json"),
        layer=heatmap.layer,
        target=heatmap.target,
        label=heatmap.label,
        box=cast(Any, box),  # pydantic counts its edges
        blank=heatmap.blank,
        seconds=heatmap.seconds,
        passes=PassesEntry(forward=heatmap.passes.forward, backward=heatmap.passes.backward),
        warnings=heatmap.warnings,
        verdict=write_verdict(verdict),
    )


def build_volume_manifest(
    answer: VolumeExplanation, folder: Path | None = None, model_file: Path | None = None
) -> Manifest:
    """Describe the explanation of a whole volume, in format 2; see `build_manifest`."""
    volume, digest = answer.volume, answer.volume.digest
    affine = None if volume.geometry is None else volume.geometry.affine
    depth, rows, columns = volume.stored.shape[:3]
    entry = VolumeEntry(
        name=volume.name,
        digest=digest,
        kind="nifti" if volume.read_original is None else "dicom",
        modality=volume.modality,
        shape=(depth, rows, columns),
        spacing=volume.steps,
        affine=None if affine is None else tuple(round(float(part), _PLACES) for part in affine[:3].ravel()),
        missing=volume.missing,
        predictions=_write_predictions(answer.predictions[:5]),
        notes=(*volume.notes, *answer.notes),
        unavailable=dict(answer.unavailable),
        layers=answer.layers,
        targets=answer.targets,
    )
    whole = {found.one.key: write_volume_mask(found.mask, found.others) for found in find_volume_masks(answer)}
    maps = []
    for one in answer.maps:
        box = tuple(end for span in one.block.spans for end in span)
        made = _write_map(one.key, digest, one.heatmap, box, answer.verdicts.get(one.key))
        maps.append(made.model_copy(update={"volume_mask": whole.get(one.key)}))
    return Manifest(
        format=2,
        volumes=(entry,),
        model=_write_model(answer.model, _point_to(model_file, folder)),
        maps=tuple(maps),
        score=answer.score,
        fusion="none",
        augmentation="none",
        versions=find_versions(answer.device),
    )


def write_manifest(manifest: Manifest) -> bytes:
    """A manifest as JSON. What belongs to another format is left out."""
    other = {"volumes"} if manifest.format == 1 else {"pictures"}
    return manifest.model_dump_json(indent=2, exclude=other).encode()


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

    versions = {name: _find_version(name) for name in _LIBRARIES}
    versions["python"] = platform.python_version()
    versions["machine"] = platform.machine()
    versions["device"] = device
    versions["torch threads"] = str(torch.get_num_threads())
    return versions


def _find_version(library: str) -> str:
    """The version of what is installed under this name, or of its build for machines without a screen."""
    for name in (library, f"{library}-headless"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return "not known"
