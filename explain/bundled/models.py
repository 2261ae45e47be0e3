"""The models that ship with CAMscope, as the files beside their weights describe them. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from explain.networks.prompt_variant import Variant
from explain.networks.weight_file import read_metadata
from explain.pictures.geometry import Preprocessing
from explain.pictures.volume_preprocessing import VolumePreprocessing

FIRST_MODEL = "imagenet-cnn"
"""The model used where none is named."""

FIRST_VIT = "photo-vit"
"""The same where it takes a ViT: for class prompts."""

MODELS_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "models"
CALIBRATION_FOLDER = MODELS_FOLDER.parent / "calibration"
ATTENTION_FOLDER = MODELS_FOLDER.parent / "attention"

WORLDS_FOLDER = MODELS_FOLDER.parent / "worlds"
"""Where the small networks of the worlds lie: they go by name as the others do, and stand in no list of models."""

VOLUMES_FOLDER = MODELS_FOLDER.parent / "volumes"
"""Where the networks that read volumes lie, apart from those of pictures, and drawn volumes to try them on."""

EXAMPLE_SERIES = VOLUMES_FOLDER / "phantom-series.zip"
"""A drawn phantom as a series, to be opened at a press."""

EXAMPLE_VOLUMES = {
    "A drawn phantom (NIfTI)": VOLUMES_FOLDER / "phantom.nii.gz",
    "Its lesion (NIfTI)": VOLUMES_FOLDER / "phantom-lesion.nii.gz",
    "The same as a DICOM series": EXAMPLE_SERIES,
}
"""Files of one drawn volume, by title; its lesion is what decides."""

_NAME = re.compile(r"[a-z0-9-]{1,60}")

Knows = Literal["photographs", "drawings", "mr-slices", "radiographs", "phantoms"]
"""The kind of picture that a bundled model was trained on."""


class BundledModel(BaseModel):
    """A model that ships with CAMscope, as its JSON file in the models' folder describes it.

    Attributes:
        name: key on the command line and in links.
        title: what a person reads.
        architecture: name of its builder in `explain.bundled.architectures`.
        place: where it stands in the list; models of one place are in the order of their names.
        classes: a name for each class.
        knows: the kind of picture it was trained on.
        preprocessing: how a picture becomes its input.
        weights: file beside the JSON.
        prompts: file with Prompt-CAM prompts, or None.
        variant: where the prompts enter, see `Variant`.
        accuracy: top-1 in per cent on the test set, as written into the weights by the training; None until trained.
        prompts_accuracy: the same of the prompts.
        test_pictures: how many pictures that test set has.
        layer: the layer to explain by default, where one was measured to be better than the last.
        card: the model card beside the JSON.
        learned: the card in short, for a report: what it was trained on.
        limits: what it cannot do, a sentence each.
        measured: how often it is right, where the weights do not say so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    architecture: str
    place: int = 0
    classes: tuple[str, ...]
    knows: Knows = "photographs"
    preprocessing: VolumePreprocessing | Preprocessing
    weights: str
    prompts: str | None = None
    variant: Variant = "deep"
    layer: str | None = None
    accuracy: float | None = None
    prompts_accuracy: float | None = None
    test_pictures: int | None = None
    card: str
    learned: str = ""
    limits: tuple[str, ...] = ()
    measured: str = ""

    def describe_accuracy(self) -> str:
        """How often it is right on its test pictures, and how many those are; empty where that was not measured."""
        if self.accuracy is None:
            return ""
        kind = "volumes" if isinstance(self.preprocessing, VolumePreprocessing) else "pictures"
        tested = (
            f"test {kind}, of unknown number" if self.test_pictures is None else f"{self.test_pictures:,} test {kind}"
        )
        said = f"right on {self.accuracy:.1f} % of its {tested}"
        return said if self.prompts_accuracy is None else f"{said}, its class prompts on {self.prompts_accuracy:.1f} %"


def find_bundled_file(name: str) -> Path:
    """Where a file lies that a bundled model names: weights, prompts, card. It may be missing."""
    apart = (folder / name for folder in (WORLDS_FOLDER, VOLUMES_FOLDER))
    return next((path for path in apart if path.is_file()), MODELS_FOLDER / name)


def find_calibration(name: str) -> Path:
    """Where statistics of the pictures lie that a bundled model learned from. The file may be missing."""
    return CALIBRATION_FOLDER / f"{name}.safetensors"


def bundled_models() -> list[BundledModel]:
    """What ships with CAMscope and reads pictures, in the order shown; without the networks of the worlds, see
    `find_bundled_model`, and those that read volumes.
    """
    return sorted(_read_models(MODELS_FOLDER, "*.json"), key=lambda model: (model.place, model.name))


def bundled_volume_models() -> list[BundledModel]:
    """Those that read volumes, in the order shown."""
    return sorted(_read_models(VOLUMES_FOLDER, "*.network.json"), key=lambda model: (model.place, model.name))


def find_bundled_model(name: str) -> BundledModel | None:
    """What ships under a name, a network of volumes or of a world too; None where there is nothing."""
    listed = next((model for model in bundled_models() if model.name == name), None)
    if listed is not None or not _NAME.fullmatch(name):
        return listed
    apart = (_read_models(folder, f"{name}.network.json") for folder in (VOLUMES_FOLDER, WORLDS_FOLDER))
    return next((model for models in apart for model in models), None)


def _read_models(folder: Path, pattern: str) -> Iterator[BundledModel]:
    for path in folder.glob(pattern):
        model = BundledModel.model_validate_json(path.read_bytes())
        scores = {"accuracy": _read_accuracy(model.weights), "prompts_accuracy": _read_accuracy(model.prompts)}
        yield model.model_copy(update=scores)


def find_prompted_twin(labels: Sequence[str]) -> str | None:
    """Name of a bundled model with Prompt-CAM prompts that knows the same classes, if there is one."""
    for model in bundled_models():
        if model.prompts and set(model.classes) == set(labels) and find_bundled_file(model.prompts).is_file():
            return model.name
    return None


def _read_accuracy(file: str | None) -> float | None:
    """Top-1 in per cent from the header of a bundled weight file; None where it does not say."""
    if file is None:
        return None
    try:
        return float(read_metadata(find_bundled_file(file))["top1"])
    except (OSError, ValueError, KeyError):
        return None
