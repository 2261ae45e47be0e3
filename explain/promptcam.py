"""Prompt-CAM: class prompts on a frozen ViT, whose last attention shows the traits of each class.

Source: Chowdhury et al., "Prompt-CAM: Making Vision Transformers Interpretable for Fine-Grained Analysis", CVPR 2025,
arXiv 2501.09333.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from explain.errors import ModelError
from explain.torchvision_operators import declare_missing_operators

declare_missing_operators()

from timm.layers import Attention  # noqa: E402
from timm.models.vision_transformer import Block, VisionTransformer  # noqa: E402


class PromptedViT(nn.Module):
    """A frozen timm ViT that scores `C` classes by one prompt each.

    At block `i` the tokens are `[prompts_i (C), class token, registers, patches]`; what a block makes of its prompts is
    replaced by the next block's own ("deep") or travels on ("shallow", when only one set is given). After the last
    block and the final norm, prompt `c`'s output `z_c` is scored by one linear layer shared by all classes:
    `score_c = w · z_c + b` (section 3.2 of the paper).

    Args:
        backbone: the ViT. Its parameters are frozen; its own head is left alone.
        num_classes: `C`.
        deep: one set of prompts for each block, or a single set at the first.
        dropout: dropout on the prompts while training.
    """

    backbone: Any  # a VisionTransformer, whose parts timm does not type
    num_classes: int
    prompts: nn.Parameter
    prompt_dropout: nn.Dropout
    score: nn.Linear

    def __init__(self, backbone: VisionTransformer, num_classes: int, deep: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        last = backbone.blocks[-1]
        if type(last) is not Block or type(last.attn) is not Attention or last.attn.gate is not None:
            raise ModelError(
                "Prompt-CAM needs a ViT whose last block is timm's plain attention block. Choose another architecture."
            )
        self.backbone = backbone.requires_grad_(False)
        self.num_classes = num_classes
        width = backbone.embed_dim
        depth = len(backbone.blocks) if deep else 1
        bound = math.sqrt(6.0 / (3 * math.prod(backbone.patch_embed.patch_size) + width))
        self.prompts = nn.Parameter(torch.empty(depth, num_classes, width).uniform_(-bound, bound))
        self.prompt_dropout = nn.Dropout(dropout)
        self.score = nn.Linear(width, 1)

    def train(self, mode: bool = True) -> PromptedViT:
        """The frozen backbone stays in evaluation mode: its batch statistics and drop paths are frozen too."""
        super().train(mode)
        self.backbone.eval()
        return self

    def embed(self, x: Tensor) -> Tensor:
        """Pictures `(B, 3, H, W)` to the tokens that enter the first block, `(B, T, D)`."""
        vit = self.backbone
        return vit.norm_pre(vit.patch_drop(vit._pos_embed(vit.patch_embed(x))))

    def forward(self, x: Tensor) -> Tensor:
        """Pictures `(B, 3, H, W)` to class scores `(B, C)`."""
        tokens = self.backbone.blocks[-1](self.enter_last_block(x))
        return self.score_prompts(tokens[:, : self.num_classes])

    def enter_last_block(self, x: Tensor) -> Tensor:
        """Pictures `(B, 3, H, W)` to the tokens that enter the last block, prompts first, `(B, C + T, D)`."""
        tokens = self.embed(x)
        for index, block in enumerate(self.backbone.blocks[:-1]):
            tokens = block(self.insert_prompts(tokens, index))
        return self.insert_prompts(tokens, len(self.backbone.blocks) - 1)

    def score_prompts(self, outputs: Tensor) -> Tensor:
        """Prompt outputs `(..., D)` of the last block to scores `(...)`."""
        return self.score(self.backbone.norm(outputs)).squeeze(-1)

    def insert_prompts(self, tokens: Tensor, index: int) -> Tensor:
        """Put the prompts of block `index` before the picture's tokens, in place of those of the block before."""
        if index >= len(self.prompts):
            return tokens
        prompts = self.prompt_dropout(self.prompts[index]).expand(len(tokens), -1, -1)
        kept = tokens if index == 0 else tokens[:, self.num_classes :]
        return torch.cat([prompts.to(kept.dtype), kept], dim=1)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.backbone.patch_embed.grid_size


@dataclass(frozen=True)
class PromptRow:
    """The last block as one class's prompt goes through it; the other tokens enter only as keys and values.

    Attributes:
        attention: softmax over all tokens, `(heads, C + T)`.
        values: `(heads, C + T, D / heads)`.
        token: the prompt as it enters the block, `(D,)`.
    """

    attention: Tensor
    values: Tensor
    token: Tensor


def attend(model: PromptedViT, tokens: Tensor, target: int) -> PromptRow:
    """Attention of prompt `target` in the last block, from the tokens `(C + T, D)` that enter it."""
    block = model.backbone.blocks[-1]
    attention = block.attn
    heads = attention.num_heads
    qkv = attention.qkv(block.norm1(tokens)).reshape(len(tokens), 3, heads, -1)
    query = attention.q_norm(qkv[target, 0])  # (heads, D / heads)
    keys = attention.k_norm(qkv[:, 1])
    logits = torch.einsum("hd,nhd->hn", query * attention.scale, keys)
    return PromptRow(logits.softmax(-1), qkv[:, 2].transpose(0, 1), tokens[target])


def score_blurred(model: PromptedViT, row: PromptRow, blurred: Tensor) -> Tensor:
    """Scores of the class when some heads are blurred.

    Blurring a head sets its pre-softmax scores in the prompt's row to 0, which makes its attention uniform over all
    tokens. Only the prompt's own output changes, so only that one token is computed.

    Args:
        model: the prompted ViT.
        row: from `attend`.
        blurred: which heads are blurred, `(candidates, heads)` bool.

    Returns:
        Scores, `(candidates,)`.
    """
    block = model.backbone.blocks[-1]
    attention = block.attn
    sharp = torch.einsum("hn,hnd->hd", row.attention, row.values)
    uniform = row.values.mean(1)
    heads = torch.where(blurred[:, :, None], uniform, sharp)
    x = row.token + block.ls1(attention.proj(attention.norm(heads.flatten(1))))
    x = x + block.ls2(block.mlp(block.norm2(x)))
    return model.score_prompts(x)


@dataclass(frozen=True)
class HeadRanking:
    """What a class owes to each head, as probabilities of the class, 0…1.

    Attributes:
        order: heads from most to least important.
        greedy: after each step of the greedy blurring, which starts with the least important head.
        alone: by head, with that head alone blurred.
        top: with the most important head blurred, the two most important, and so on to all of them.
    """

    order: tuple[int, ...]
    greedy: tuple[float, ...]
    alone: tuple[float, ...]
    top: tuple[float, ...]


def rank_heads(model: PromptedViT, row: PromptRow, scores: Tensor, target: int) -> HeadRanking:
    """Heads from most to least important for the class, by greedy blurring (Prompt-CAM, section 3.3).

    Again and again the head is blurred whose blurring leaves the class's probability highest. The first one so blurred
    is the least important. The other classes' scores stay as they are, so the highest score is the highest probability.
    """
    others = torch.cat([scores[:target], scores[target + 1 :]])
    rest = torch.logsumexp(others, 0) if len(others) else scores.new_tensor(-torch.inf)
    heads = len(row.attention)
    each = torch.eye(heads, dtype=torch.bool, device=scores.device)
    alone = score_blurred(model, row, each)
    blurred = torch.zeros(heads, dtype=torch.bool, device=scores.device)
    order: list[int] = []
    steps: list[Tensor] = []
    while len(order) < heads:
        open_heads = torch.nonzero(~blurred).flatten()
        trial = score_blurred(model, row, blurred | each[open_heads]) if order else alone
        best = int(trial.argmax())
        order.append(int(open_heads[best]))
        steps.append(trial[best])
        blurred = blurred | each[order[-1]]
    order.reverse()
    top = score_blurred(model, row, each[order].cumsum(0).bool())
    greedy, alone, top = (torch.sigmoid(tried - rest) for tried in (torch.stack(steps), alone, top))
    return HeadRanking(tuple(order), tuple(greedy.tolist()), tuple(alone.tolist()), tuple(top.tolist()))
