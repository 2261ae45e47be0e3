"""What the engine answers: for each picture its likeliest classes and its maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from explain.faithfulness.effects import Effects
from explain.faithfulness.unlike import NOT_MEASURED, Unlikeness
from explain.faithfulness.verdict import Verdict
from explain.maps.fusion import Fusion
from explain.maps.heatmap import Heatmap
from explain.maps.mask import MaskSettings
from explain.networks.meaning import Outputs, find_probabilities
from explain.passes.look import Score
from explain.percent import write_percent
from explain.pictures.augmentation import Augmentation
from explain.pictures.picture import Picture

if TYPE_CHECKING:
    from torch import Tensor

    from explain.models.loaded import LoadedModel


@dataclass(frozen=True)
class Prediction:
    """One class, or another answer that a model can give.

    Attributes:
        index: of the answer.
        label: its name.
        probability: 0…1, of classes that exclude each other, of a finding alone, or of an answer of one logit; None for
            a value, which has none.
        score: what the network said of it; None where that is not known.
    """

    index: int
    label: str
    probability: float | None
    score: float | None = None

    def describe(self, digits: int) -> str:
        """Name and probability, e.g. `cat 93.1 %`, with that many decimals; for a value, the number."""
        if self.probability is None:
            return f"{self.label} {format_value(self.score)}"
        return f"{self.label} {write_percent(self.probability, digits)}"


def format_value(value: float | None) -> str:
    """A number of no known unit, in four digits."""
    return "" if value is None else f"{value + 0.0:.4g}".replace("-", "−")


def rank_classes(
    logits: Tensor, labels: Sequence[str], top: int, outputs: Outputs = "classes"
) -> tuple[Prediction, ...]:
    """The likeliest classes of scores `(answers,)`, likeliest first; of values, the highest.

    Args:
        logits: a score for each answer.
        labels: a name for each.
        top: how many at most.
        outputs: what the scores mean.
    """
    scores = logits.cpu().double()  # not every device has float64
    probabilities = None if outputs == "value" else find_probabilities(scores, outputs)
    best = scores if probabilities is None else probabilities
    return tuple(
        Prediction(i, labels[i], None if probabilities is None else float(probabilities[i]), float(scores[i]))
        for i in best.topk(min(top, len(labels))).indices.tolist()
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
        outputs: what the predictions are: classes that exclude each other, findings, the answers of a logit, or values.
        caution: a sentence where the model never saw a picture of this kind, so that its answer means little: what file
            and pixels tell of the kind, else that it was measured to be unlike.
        unlike: how unlike the pictures it is that the model learned from, or the references.
        verdicts: what is said of each map, by its key, where they were asked for.
        effects: what happens without the place where a map is high, by the map's key, where that was measured; its only
            region is that place.
        masks: how its maps become masks, where that was chosen: for its sentence, its files and its manifest.
    """

    picture: Picture
    predictions: tuple[Prediction, ...]
    prompt_predictions: tuple[Prediction, ...]
    targets: tuple[int, ...]
    labels: tuple[str, ...]
    layers: tuple[str, ...]
    maps: tuple[Heatmap, ...]
    unavailable: Mapping[str, str]
    outputs: Outputs = "classes"
    caution: str = ""
    unlike: Unlikeness = NOT_MEASURED
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    effects: Mapping[str, Effects] = field(default_factory=dict)
    masks: MaskSettings | None = None


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

    @property
    def verdicts(self) -> tuple[Mapping[str, Verdict], ...]:
        """For each picture, what is said of its maps, by their keys."""
        return tuple(entry.verdicts for entry in self.pictures)
