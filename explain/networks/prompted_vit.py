"""Prompt-CAM: class prompts on a frozen ViT, whose last attention shows the traits of each class.

Source: Chowdhury et al., "Prompt-CAM: Making Vision Transformers Interpretable for Fine-Grained Analysis", CVPR 2025,
arXiv 2501.09333.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from explain.errors import ModelError
from explain.networks.prompt_variant import Variant
from explain.networks.torchvision_operators import declare_missing_operators

declare_missing_operators()

from timm.layers import Attention  # noqa: E402
from timm.models.vision_transformer import Block, VisionTransformer  # noqa: E402


def find_backbone_obstacle(module: nn.Module) -> str | None:
    """Why class prompts cannot be put on a network, in a sentence; None where they can."""
    if isinstance(module, PromptedViT):
        return "This model has class prompts already. Choose the ViT they were trained on."
    if not isinstance(module, VisionTransformer):
        return "Prompt-CAM needs a plain ViT of timm, which this model is not. Choose one, such as photo-vit."
    if not _is_plain(module.blocks[-1]):
        return "Prompt-CAM needs a ViT whose last block is timm's plain attention block. Choose another architecture."
    return None


def _is_plain(block: Any) -> bool:
    return type(block) is Block and type(block.attn) is Attention and block.attn.gate is None


class PromptedViT(nn.Module):
    """A frozen timm ViT that scores `C` classes by one prompt each.

    At block `i` the tokens are `[prompts_i (C), class token, registers, patches]`; what a block makes of its prompts is
    replaced by the next block's own ("deep") or travels on ("shallow"). With "last" the prompts enter the last block
    only, so that nothing before it depends on them. After the last block and the final norm, prompt `c`'s output `z_c`
    is scored by one linear layer shared by all classes: `score_c = w · z_c + b` (section 3.2 of the paper).

    Args:
        backbone: the ViT. Its parameters are frozen; its own head is left alone.
        num_classes: `C`.
        variant: where prompts enter; `(N, C, D)` of them for "deep", else `(1, C, D)`.
        dropout: dropout on the prompts while training.
    """

    backbone: Any  # a VisionTransformer, whose parts timm does not type
    num_classes: int
    variant: Variant
    prompts: nn.Parameter
    prompt_dropout: nn.Dropout
    score: nn.Linear

    def __init__(
        self, backbone: VisionTransformer, num_classes: int, variant: Variant = "deep", dropout: float = 0.0
    ) -> None:
        super().__init__()
        obstacle = find_backbone_obstacle(backbone)
        if obstacle:
            raise ModelError(obstacle)
        self.backbone = backbone.requires_grad_(False)
        self.num_classes = num_classes
        self.variant = variant
        width = backbone.embed_dim
        depth = len(backbone.blocks) if variant == "deep" else 1
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
        """Pictures `(B, 3, H, W)` to class scores `(B, C)`, every block run whole."""
        tokens = self._run_frozen(x)
        for index in range(self._first_prompted, len(self.backbone.blocks)):
            tokens = self._run_whole(tokens, index)
        return self.score_prompts(tokens[:, : self.num_classes])

    def enter_last_block(self, x: Tensor) -> Tensor:
        """Pictures `(B, 3, H, W)` to the tokens that enter the last block, prompts first, `(B, C + T, D)`."""
        return self._reach_last_block(self._run_frozen(x))

    def leave_last_block(self, tokens: Tensor) -> Tensor:
        """What `enter_last_block` gave, `(B, C + T, D)`, to class scores `(B, C)`. Only the prompts go on from here."""
        last = self.backbone.blocks[-1]
        prompts, rest = tokens[:, : self.num_classes], tokens[:, self.num_classes :]
        return self.score_prompts(run_beside(last, prompts, *find_keys(last, rest)))

    def precompute(self, x: Tensor) -> Tensor:
        """All of the pictures `(B, 3, H, W)` that does not depend on the prompts: what `finish` goes on from.

        For "last" these are the picture's keys and values in the last block, `(B, 2, heads, T, D / heads)`: of that
        block only the prompts' outputs are read, so the picture's own outputs are never needed. Otherwise they are the
        tokens that enter the first block, `(B, T, D)`.
        """
        tokens = self._run_frozen(x)
        return torch.stack(find_keys(self.backbone.blocks[-1], tokens), 1) if self.variant == "last" else tokens

    def finish(self, precomputed: Tensor) -> Tensor:
        """What `precompute` gave to class scores `(B, C)`: the same as `forward`, with less to do."""
        if self.variant == "last":
            last = self.backbone.blocks[-1]
            return self.score_prompts(run_beside(last, self._take_prompts(0), *precomputed.unbind(1)))
        return self.leave_last_block(self._reach_last_block(precomputed))

    def score_prompts(self, outputs: Tensor) -> Tensor:
        """Prompt outputs `(..., D)` of the last block to scores `(...)`."""
        return self.score(self.backbone.norm(outputs)).squeeze(-1)

    def insert_prompts(self, tokens: Tensor, index: int) -> Tensor:
        """Put the prompts of block `index`, where it has some of its own, before the tokens `(B, T, D)`."""
        place = index - self._first_prompted
        if place >= len(self.prompts):
            return tokens
        prompts = self._take_prompts(place).expand(len(tokens), -1, -1)
        return torch.cat([prompts.to(tokens.dtype), tokens], dim=1)

    @property
    def _first_prompted(self) -> int:
        """The block at which the first prompts enter."""
        return len(self.backbone.blocks) - 1 if self.variant == "last" else 0

    def _run_frozen(self, x: Tensor) -> Tensor:
        """Pictures `(B, 3, H, W)` to the tokens `(B, T, D)` that enter the first block with prompts."""
        tokens = self.embed(x)
        for block in self.backbone.blocks[: self._first_prompted]:
            tokens = block(tokens)
        return tokens

    def _reach_last_block(self, tokens: Tensor) -> Tensor:
        """From what `_run_frozen` gives to the tokens that enter the last block, prompts first, `(B, C + T, D)`.

        What a block makes of "deep" prompts gives way to the next block's own, so it is not worked out at all: with
        many classes that would be most of the work.
        """
        last = len(self.backbone.blocks) - 1
        for index in range(self._first_prompted, last):
            block = self.backbone.blocks[index]
            if self.variant == "deep" and _is_plain(block):
                prompts = self._take_prompts(index).to(tokens.dtype)
                tokens = run_beside(block, tokens, *find_keys(block, prompts))
            else:
                tokens = self._run_whole(tokens, index)
        return self.insert_prompts(tokens, last)

    def _run_whole(self, tokens: Tensor, index: int) -> Tensor:
        """What block `index` makes of the tokens and its prompts; without those that the next block has others for."""
        tokens = self.backbone.blocks[index](self.insert_prompts(tokens, index))
        gives_way = self.variant == "deep" and index < len(self.backbone.blocks) - 1
        return tokens[:, self.num_classes :] if gives_way else tokens

    def _take_prompts(self, place: int) -> Tensor:
        """One set of prompts `(C, D)`, with dropout while training: the same for all pictures of a batch."""
        return self.prompt_dropout(self.prompts[place])

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.backbone.patch_embed.grid_size


def find_keys(block: Any, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values `(..., heads, T, D / heads)` that tokens `(..., T, D)` have in a block's attention."""
    attention = block.attn
    weight, bias = attention.qkv.weight, attention.qkv.bias
    width = len(weight) // 3
    both = functional.linear(block.norm1(tokens), weight[width:], None if bias is None else bias[width:])
    keys, values = both.unflatten(-1, (2, attention.num_heads, -1)).movedim(-4, -2).unbind(-4)
    return attention.k_norm(keys), values


def find_queries(block: Any, tokens: Tensor) -> Tensor:
    """Scaled queries `(..., heads, T, D / heads)` that tokens `(..., T, D)` have in a block's attention."""
    attention = block.attn
    weight, bias = attention.qkv.weight, attention.qkv.bias
    width = len(weight) // 3
    queries = functional.linear(block.norm1(tokens), weight[:width], None if bias is None else bias[:width])
    return attention.q_norm(queries.unflatten(-1, (attention.num_heads, -1)).transpose(-3, -2)) * attention.scale


def leave_block(block: Any, tokens: Tensor, heads: Tensor) -> Tensor:
    """Tokens `(..., D)` and what the heads read for them, `(..., heads, D / heads)`, to the block's outputs."""
    attention = block.attn
    x = tokens + block.ls1(attention.proj(attention.norm(heads.flatten(-2))))
    return x + block.ls2(block.mlp(block.norm2(x)))


def run_beside(block: Any, tokens: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """What a block makes of some of its tokens; the others have a part in it as keys and values only.

    Args:
        block: timm's plain block.
        tokens: as they enter it, `(B, T, D)`, or `(T, D)` where all pictures have the same.
        keys: of the other tokens, `(B, heads, S, D / heads)`, or `(heads, S, D / heads)` where all pictures have the
            same.
        values: as `keys`.

    Returns:
        `(B, T, D)`, the first `T` outputs of `block(cat([tokens, others], 1))`.
    """
    own_keys, own_values = find_keys(block, tokens)
    shape = torch.broadcast_shapes(own_keys.shape[:-2], keys.shape[:-2])

    def join(own: Tensor, other: Tensor) -> Tensor:
        return torch.cat([own.expand(*shape, -1, -1), other.expand(*shape, -1, -1)], -2)

    queries = find_queries(block, tokens).expand(*shape, -1, -1)
    # Fused, or the attention of all prompts to all prompts would take memory by the square of the classes.
    heads = functional.scaled_dot_product_attention(queries, join(own_keys, keys), join(own_values, values), scale=1.0)
    return leave_block(block, tokens, heads.transpose(-3, -2))
