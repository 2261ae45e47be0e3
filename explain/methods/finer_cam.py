"""Finer-CAM: what tells the class from those most like it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from explain.errors import MethodError
from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor

Weighting = Literal["equal", "probability"]


class FinerCamSettings(Settings):
    """Which other classes are compared with, and how strongly."""

    gamma: float = setting(
        0.6,
        "Comparison strength",
        "How much of the score of a similar class is subtracted. 0 is Grad-CAM; 1 shows the difference alone.",
        low=0.0,
        high=2.0,
        step=0.05,
    )
    classes: int = setting(
        3,
        "Similar classes",
        "How many of the classes whose scores are nearest are compared with.",
        unit="classes",
        low=1,
        high=20,
        step=1,
    )
    weighting: Weighting = setting(
        "equal",
        "Weights of the classes",
        "Equal: each similar class counts alike. Probability: each counts as its softmax probability, as in the "
        "authors' code, for classes that exclude each other.",
        advanced=True,
    )


@dataclass(frozen=True)
class Difference:
    """What Finer-CAM differentiates: `y_c − γ y_d`, averaged over the classes d whose scores are nearest to `y_c`."""

    gamma: float
    classes: int
    weighting: Weighting

    def __call__(self, scores: Tensor, target: int) -> Tensor:
        apart = (scores.detach() - scores.detach()[target]).abs()
        apart[target] = float("inf")
        similar = apart.argsort(stable=True)[: min(self.classes, len(scores) - 1)]
        if not len(similar):
            return scores[target]
        differences = scores[target] - self.gamma * scores[similar]
        if self.weighting == "equal":
            return differences.mean()
        # Probabilities divided by their sum are the softmax of these classes alone, which cannot vanish.
        return (scores[similar].softmax(0) * differences).sum()


def weigh_channels(capture: LayerCapture, settings: FinerCamSettings) -> tuple[Tensor, Tensor]:
    """`α_k`, the spatial mean of the gradient of `Difference`, and `A_k`."""
    return capture.need_gradients().mean(capture.space, keepdim=True), capture.activations


def _write_where(settings: FinerCamSettings) -> str:
    others = settings.classes
    mean = "the weighted mean" if settings.weighting == "probability" else "the mean"
    nearest = "of the class nearest in score" if others == 1 else rf"of the {others} classes nearest in score, {mean}"
    return (
        r"\alpha_k = \frac{1}{h w} \sum_{i,j} \frac{\partial (y_c - "
        rf"{settings.gamma:g}\,y_d)}}{{\partial A_k(i,j)}}, \quad y_d \text{{ {nearest}}}"
    )


@method(
    name="finer-cam",
    title="Finer-CAM",
    sentence="Where the layer's features speak for the class rather than for those most like it.",
    paper="Zhang et al., Finer-CAM: Spotting the Difference Reveals Finer Details for Visual Explanation, CVPR 2025, "
    "arXiv 2501.11309",
    group="gradient",
    needs={"gradients"},
    settings=FinerCamSettings,
    objective=lambda settings: Difference(settings.gamma, settings.classes, settings.weighting),
    formula=Formula(
        r"L(p) = \sum_k \alpha_k \, A_k(p)",
        _write_where,
        "Grad-CAM of a difference of scores: what the class shares with those most like it cancels out.",
        weight=r"\alpha_k",
        split=weigh_channels,
    ),
)
def finer_cam(capture: LayerCapture, settings: FinerCamSettings) -> MethodResult:
    """`L = Σ_k α_k A_k` with `α_k` the spatial mean of the gradient of `Difference`: Grad-CAM of another score."""
    weights, activations = weigh_channels(capture, settings)
    warnings: tuple[str, ...] = ()
    if len(capture.logits) == 1:
        warnings = ("There is no other class to compare with: this is Grad-CAM's map.",)
    elif capture.outputs == "logit":
        warnings = ("The other answer is the same number with another sign: this is Grad-CAM's map, only stronger.",)
    elif capture.outputs == "value":
        raise MethodError(
            "Finer-CAM tells a class from those most like it, and values are no classes. Choose Grad-CAM."
        )
    elif capture.outputs == "findings" and settings.weighting == "probability":
        raise MethodError(
            "Finer-CAM weighs similar classes by a softmax, which is for classes that exclude each other. Weigh them "
            "equally."
        )
    return MethodResult((weights * activations).sum(0), warnings)
