"""Score-CAM: each channel is shown to the network as a mask, and weighted by the score it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.methods.space import enlarge, list_space, stand_before
from explain.methods.strongest_channels import channels_setting, choose_channels, count_channels
from explain.passes.capture import LayerCapture
from explain.passes.look import PassPrecision
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor


class ScoreCamSettings(Settings):
    """Which channels are tried as masks, how their scores become weights, and how exactly they are computed."""

    channels: int = channels_setting()
    weights: Literal["softmax", "increase"] = setting(
        "softmax",
        "Weights",
        "“softmax” as in the paper's algorithm: positive weights, in which the highest scores prevail. “increase”: the "
        "score itself, above that of an empty input.",
        advanced=True,
    )
    precision: PassPrecision = setting(
        "full", "Precision", "“half” computes in bfloat16: faster, and slightly less exact.", advanced=True
    )


_WEIGHTS = {"softmax": r"\operatorname{softmax}_k(S_k)", "increase": "S_k"}


@method(
    name="score-cam",
    title="Score-CAM",
    sentence="Where the layer's features, each used as a mask on the input, keep the score of the class high.",
    paper="Wang et al., Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks, CVPR "
    "Workshops 2020, arXiv 1910.01279",
    group="gradient-free",
    needs={"activations", "runner"},
    settings=ScoreCamSettings,
    count_passes=lambda layer, settings: count_channels(layer, settings.channels) + 1,
    formula=Formula(
        r"L(p) = \sum_k \alpha_k \, A_k(p)",
        lambda settings: rf"\alpha_k = {_WEIGHTS[settings.weights]}, \quad S_k = y_c(x \odot s(A_k)) - y_c(0)",
        "Each channel, stretched to 0…1 (s) and enlarged, hides the input x where it is silent.",
    ),
)
def score_cam(capture: LayerCapture, settings: ScoreCamSettings) -> MethodResult:
    """`L = Σ_k α_k A_k`, `α = softmax_k(S_k)`, `S_k = f(X ∘ s(Up(A_k))) - f(0)` (equations 7 to 9 and algorithm 1).

    `s` stretches an enlarged channel to 0…1. A channel that is the same everywhere is a mask of zeros, so that all of
    those share one pass, of the empty picture.
    """
    import torch

    runner = capture.need_runner()
    activations = capture.activations
    chosen = choose_channels(activations, settings.channels)
    kept = activations[chosen]
    varies = kept.flatten(1).amax(1) > kept.flatten(1).amin(1)
    masks = kept[varies]

    def make(rows: range) -> Tensor:
        large = enlarge(masks[rows.start : rows.stop, None], runner.picture.shape[2:])
        space = list_space(large, 2)
        low, high = large.amin(dim=space, keepdim=True), large.amax(dim=space, keepdim=True)
        span = high - low
        return runner.picture * ((large - low) / span.where(span > 0, 1)).to(runner.picture)

    runner.expect(len(masks) + 1)
    tried = runner.scores(make, len(masks), settings.precision)
    empty = runner.scores(lambda _rows: torch.zeros_like(runner.picture), 1, settings.precision)
    scores = kept.new_zeros(len(kept))
    scores[varies] = tried - empty
    weights = scores.softmax(0) if settings.weights == "softmax" else scores
    return MethodResult((stand_before(weights, kept) * kept).sum(0))
