"""LeGrad: how the score of the class after each block responds to that block's attention."""

import math

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting


class LeGradSettings(Settings):
    """Which blocks count."""

    last_share: float = setting(
        1.0,
        "Share of the blocks",
        "The last part of the blocks that counts, at least one block; the paper takes all.",
        low=0.0,
        high=1.0,
        step=0.05,
    )


@method(
    name="legrad",
    title="LeGrad",
    sentence="Where more attention would raise the score of the class, block by block.",
    paper="Bousselham et al., LeGrad: An Explainability Method for Vision Transformers via Feature Formation "
    "Sensitivity, ICCV 2025, arXiv 2404.03214",
    group="transformer",
    needs={"attention"},
    place="all attention",
    settings=LeGradSettings,
    formula=Formula(
        r"L(p) = \frac{1}{n H T} \sum_{l,h,i} \max\!\left(0, \frac{\partial y_c^{(l)}}{\partial A_l^h(i, p)}\right)",
        r"y_c^{(l)} = \text{score of the class, read off after block } l, \quad A_l = \text{its attention}",
        "How much more attention of any of the T tokens to this patch would raise the score, in n blocks of H heads.",
    ),
)
def legrad(capture: LayerCapture, settings: LeGradSettings) -> MethodResult:
    """Mean over blocks of `E_l = 1/(h n) Σ_{h,i} (∂s_l/∂A_l)+` at the patches (section 3 of the paper).

    `s_l` is the score of the class that the model's own norm and head give the tokens after block `l`, and `A_l` that
    block's attention, or the attention pool's where the head has one.
    """
    attention = capture.need_attention()
    sensitivities = attention.sensitivities
    count = max(math.ceil(settings.last_share * len(sensitivities) - 1e-9), 1)
    total = sum(sensitivities[-count:], start=0 * sensitivities[0])
    return MethodResult(attention.to_map(total / count))
