"""Chefer's relevance: attention weighed by its gradient, gathered through all blocks of a vision transformer."""

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings


@method(
    name="chefer-relevance",
    title="Chefer's relevance",
    sentence="From which patches the score of the class was gathered, by attention that raises it.",
    paper="Chefer et al., Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder "
    "Transformers, ICCV 2021, arXiv 2103.15679",
    group="transformer",
    needs={"attention"},
    place="all attention",
    formula=Formula(
        r"L(p) = \left(R_n - I\right)_{\text{answer},\, p}",
        r"R_l = R_{l-1} + \bar A_l \, R_{l-1}, \quad R_0 = I, \quad "
        r"\bar A_l = \frac{1}{H} \sum_h \max\!\left(0, \frac{\partial y_c}{\partial A_l^h} \odot A_l^h\right)",
        "Attention that raises the score is gathered through all blocks.",
    ),
)
def chefer_relevance(capture: LayerCapture, settings: Settings) -> MethodResult:
    """`R = R + Ā R` from `R = I`, block by block, with `Ā = mean_h (∇A ⊙ A)+` (equations 5 and 6), as read by the head.

    Where the head averages patches, the rows of `R - I` are averaged, because the identity says nothing of a place. An
    attention pool is a query that reads from other tokens: `Ā R̄`, with `R - I` normalised to rows that sum to 1 and the
    identity added again (equations 8 to 10).
    """
    import torch

    attention = capture.need_attention()
    row = start = attention.readout_relevance
    if attention.pooling == "attention":
        identity = torch.eye(len(start), device=start.device)
        relevance = identity
        for step in attention.relevances:
            relevance = relevance + step @ relevance
        gathered = relevance - identity
        sums = gathered.sum(1, keepdim=True)
        row = start @ (gathered / torch.where(sums > 0, sums, 1.0) + identity)
    else:
        # Only the rows that the head reads are wanted: multiplied from the left, these are vectors and not matrices.
        for step in reversed(attention.relevances):
            row = row + row @ step
        row = row - start
    return MethodResult(attention.to_map(row))
