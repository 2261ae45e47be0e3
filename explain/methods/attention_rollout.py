"""Attention rollout: attention followed through all blocks of a vision transformer, skip connections included."""

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting


class AttentionRolloutSettings(Settings):
    """How much goes past each block's attention."""

    skip: float = setting(
        0.5,
        "Skip connection",
        "How much of a token goes past each block's attention unchanged; the paper takes half.",
        low=0.0,
        high=0.95,
        step=0.05,
        advanced=True,
    )


@method(
    name="attention-rollout",
    title="Attention rollout",
    sentence="From which patches the answer was gathered through all blocks, for no class in particular.",
    paper="Abnar and Zuidema, Quantifying Attention Flow in Transformers, ACL 2020, arXiv 2005.00928",
    group="transformer",
    needs={"attention"},
    class_agnostic=True,
    place="all attention",
    settings=AttentionRolloutSettings,
    formula=Formula(
        r"L(p) = \left(\bar A_n \cdots \bar A_2 \, \bar A_1\right)_{\text{answer},\, p}",
        lambda settings: (
            rf"\bar A_l = {1 - settings.skip:g} \, W_l + {settings.skip:g} \, I, \quad "
            r"W_l = \text{attention of block } l \text{, averaged over its heads}"
        ),
        "Attention multiplied through all blocks; the identity I stands for what goes past a block unchanged.",
    ),
)
def attention_rollout(capture: LayerCapture, settings: AttentionRolloutSettings) -> MethodResult:
    """`A~_l = A_l A~_{l-1}` with `A_l = 0.5 W_l + 0.5 I` and `W_l` averaged over heads (section 3, equation 1).

    Only the rows the head reads are wanted, so that they are multiplied from the left: vectors in place of matrices.
    """
    attention = capture.need_attention()
    row = attention.readout
    for mean in reversed(attention.means):
        row = (1 - settings.skip) * (row @ mean) + settings.skip * row
    return MethodResult(attention.to_map(row))
