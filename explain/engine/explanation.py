"""What the engine answers: for each picture its likeliest classes and its maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explain.maps.fusion import Fusion
from explain.maps.heatmap import Heatmap
from explain.passes.look import Score
from explain.pictures.augmentation import Augmentation
from explain.pictures.picture import Picture

if TYPE_CHECKING:
    from torch import Tensor

    from explain.models.loaded import LoadedModel


@dataclass(frozen=True)
class Prediction:
    """One class and its softmax probability, 0…1."""

    index: int
    label: str
    probability: float


def rank_classes(logits: Tensor, labels: Sequence[str], top: int) -> tuple[Prediction, ...]:
    """The likeliest classes of scores `(classes,)`, likeliest first."""
    probabilities = logits.cpu().double().softmax(0)  # not every device has float64
    best = probabilities.topk(min(top, len(labels)))
    return tuple(
        Prediction(int(index), labels[int(index)], float(probability))
        for probability, index in zip(best.values, best.indices, strict=True)
    )


@dataclass(frozen=True, eq=False)
class PictureExplanation:
    """One picture's part of the answer.

    Attributes:
        picture: the picture.
        predictions: the five likeliest classes, likeliest first.
        prompt_predictions: the same by the model's Prompt-CAM prompts, where they were asked.
        targets: indices of the explained classes.
        labels: their names.
        layers: names of the explained layers.
        maps: by class, then by layer, then in the order the methods were asked for.
        unavailable: by method name, the sentence why it could not be used.
    """

    picture: Picture
    predictions: tuple[Prediction, ...]
    prompt_predictions: tuple[Prediction, ...]
    targets: tuple[int, ...]
    labels: tuple[str, ...]
    layers: tuple[str, ...]
    maps: tuple[Heatmap, ...]
    unavailable: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Explanation:
    """The engine's answer to one request.

    Attributes:
        model: the model it was made with.
        pictures: one entry a picture, in the order asked.
        score: whether the logit or the probability of the class was differentiated.
        fusion: how the maps of several layers became one.
        augmentation: the changed views that the maps were averaged over.
        device: where the model ran, and in which precision if not float32.
    """

    model: LoadedModel
    pictures: tuple[PictureExplanation, ...]
    score: Score = "logit"
    fusion: Fusion = "none"
    augmentation: Augmentation = "none"
    device: str = "CPU"
