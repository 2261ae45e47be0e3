"""Raw attention: which patches the answering token of a vision transformer attends to in one block."""

from explain.methods.base import MethodResult, method
from explain.methods.formula import Formula
from explain.passes.capture import LayerCapture
from explain.settings import Settings, setting


class RawAttentionSettings(Settings):
    """Which block and which of its heads are shown."""

    blocks_before_last: int = setting(
        0,
        "Blocks before the last",
        "Which block is shown, counted back from the last one; a model that has fewer shows its first.",
        unit="blocks",
        low=0,
        high=47,
        step=1,
    )
    head: int = setting(
        0,
        "Head",
        "Which attention head is shown, counted from 1; 0 shows the mean of all.",
        low=0,
        high=32,
        step=1,
        advanced=True,
    )


@method(
    name="raw-attention",
    title="Raw attention",
    sentence="Which patches the token that answers attends to in one block, for no class in particular.",
    paper="Dosovitskiy et al., An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale, ICLR 2021, "
    "arXiv 2010.11929; Vaswani et al., Attention Is All You Need, NeurIPS 2017, arXiv 1706.03762",
    group="transformer",
    needs={"attention"},
    class_agnostic=True,
    place="all attention",
    settings=RawAttentionSettings,
    formula=Formula(
        r"L(p) = \frac{1}{H} \sum_{h=1}^{H} A^h_{\text{answer},\, p}",
        r"A^h = \operatorname{softmax}\!\left(\frac{Q^h {K^h}^{\!\top}}{\sqrt d}\right)",
        "Of the attention of a block's H heads, the row of the token that answers.",
    ),
)
def raw_attention(capture: LayerCapture, settings: RawAttentionSettings) -> MethodResult:
    """The row of the class token in `softmax(Q Kᵀ / √d)`, at the patches.

    Where the head averages the patches, the mean of their rows. An attention pool counts as the last block.
    """
    attention = capture.need_attention()
    rows = attention.rows
    block = max(len(rows) - 1 - settings.blocks_before_last, 0)
    heads = rows[block]
    warnings = []
    if settings.blocks_before_last >= len(rows):
        warnings.append(f"This model has {len(rows)} blocks: the first is shown.")
    if settings.head > len(heads):
        warnings.append(f"This block has {len(heads)} heads: the last is shown.")
    values = heads.mean(0) if settings.head == 0 else heads[min(settings.head, len(heads)) - 1]
    return MethodResult(attention.to_map(values), tuple(warnings), {"block": block, "heads": len(heads)})
