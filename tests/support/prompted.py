"""ViTs with random class prompts, and the plain way of ranking their heads: the whole network for each trial."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import torch
from torch import Tensor, nn

from explain.models.loaded import LoadedModel
from explain.models.request import ModelRequest
from explain.networks.layer_search import find_layers
from explain.networks.prompted_vit import PromptedViT, Variant
from explain.networks.torchvision_operators import declare_missing_operators
from tests.support.network import choose_preprocessing

declare_missing_operators()

from timm.models.vision_transformer import VisionTransformer  # noqa: E402

VARIANTS: tuple[Variant, ...] = get_args(Variant)
CLASSES = 5
KINDS: dict[str, dict[str, Any]] = {
    "deep": {},
    "shallow": {"variant": "shallow"},
    "last": {"variant": "last"},
    "last, registers and norms": {"variant": "last", "reg_tokens": 2, "qk_norm": True, "scale_attn_norm": True},
    "last, one block": {"variant": "last", "depth": 1},
    "registers": {"reg_tokens": 3},
    "no class token": {"class_token": False, "global_pool": "avg", "fc_norm": False},
    "layer scale and pre-norm": {"init_values": 0.3, "pre_norm": True},
    "query and key norms": {"qk_norm": True},
    "normed heads": {"scale_attn_norm": True},
    "wide picture": {"img_size": (16, 32)},
    "positions of patches only": {"no_embed_class": True, "reg_tokens": 2},
    "one block": {"depth": 1},
}
"""ViTs that differ in where prompts enter and in what is around them, for `make_model`."""


def make_model(kind: str, seed: int) -> tuple[PromptedViT, Tensor]:
    """One of `KINDS` of five classes, and a picture for it."""
    torch.manual_seed(seed)
    options = {"img_size": 24, "depth": 3, "variant": "deep", **KINDS[kind]}
    variant = options.pop("variant")
    backbone = VisionTransformer(patch_size=8, embed_dim=16, num_heads=4, num_classes=CLASSES, **options)
    for parameter in backbone.parameters():
        nn.init.normal_(parameter, 0 if parameter.ndim > 1 else 0.5, 0.4)
    model = PromptedViT(backbone, CLASSES, variant=variant)
    nn.init.normal_(model.prompts, std=1.0)
    nn.init.normal_(model.score.weight, std=1.0)
    height, width = backbone.patch_embed.img_size
    return model.eval(), torch.randn(1, 3, height, width)


def build_small(variant: Variant, seed: int = 0, **options: Any) -> PromptedViT:
    """A ViT of three blocks and six heads with random prompts of 20 classes, for pictures of 32 pixels."""
    torch.manual_seed(seed)
    backbone = VisionTransformer(
        img_size=32, patch_size=8, embed_dim=48, depth=3, num_heads=6, num_classes=0, **options
    )
    return put_prompts(backbone, 20, variant)


def put_prompts(backbone: VisionTransformer, classes: int, variant: Variant) -> PromptedViT:
    """Random prompts on a ViT without a head, whose last block is changed so that its heads matter; to be looked at."""
    model = PromptedViT(backbone, classes, variant)
    nn.init.normal_(model.prompts)
    nn.init.normal_(model.score.weight, std=0.3)
    with torch.no_grad():
        # As timm starts a network, attention is all but uniform and no head matters.
        backbone.blocks[-1].attn.qkv.weight.mul_(8)
        backbone.blocks[-1].attn.proj.weight.mul_(4)
    return model.eval().requires_grad_(False)


def wrap_model(model: PromptedViT, name: str = "vit") -> LoadedModel:
    """The model as the engine takes it."""
    size = model.backbone.patch_embed.img_size
    digest = hashlib.sha256(model.prompts.numpy().tobytes())
    digest.update(f"{model.variant} {size}".encode())
    return LoadedModel(
        request=ModelRequest(source="file", name=name),
        module=model,
        preprocessing=choose_preprocessing(size[0]),
        labels=tuple(f"class {index}" for index in range(model.num_classes)),
        fingerprint=digest.hexdigest(),
        layers=find_layers(model, 3, size),
        prompted=model,
    )


def score_whole(model: PromptedViT, picture: Tensor, target: int, blurred: list[int]) -> Tensor:
    """Scores `(C,)` by a pass of the whole network in which some heads of the last block are blurred for one class: the
    pre-softmax scores of its prompt's row are 0 there.
    """
    with torch.no_grad(), _blurring(model, target, blurred):
        return model(picture)[0]


def rank_whole(model: PromptedViT, picture: Tensor, target: int) -> tuple[list[int], list[float]]:
    """The authors' way: a pass of the whole network for each trial. Heads from most to least important, and the class's
    probability after each blurring, in the order in which the heads were blurred.
    """
    blurred: list[int] = []
    probabilities = []
    left = list(range(model.backbone.blocks[-1].attn.num_heads))
    while left:
        trials = [float(score_whole(model, picture, target, [*blurred, head]).softmax(0)[target]) for head in left]
        best = max(range(len(left)), key=trials.__getitem__)
        probabilities.append(trials[best])
        blurred.append(left.pop(best))
    return blurred[::-1], probabilities


@contextmanager
def _blurring(model: PromptedViT, target: int, blurred: list[int]) -> Iterator[None]:
    attention = model.backbone.blocks[-1].attn

    def attend(x: Tensor, **_ignored: Any) -> Tensor:
        batch, count, _ = x.shape
        joint = attention.qkv(x).reshape(batch, count, 3, attention.num_heads, -1)
        query, key, value = joint.permute(2, 0, 3, 1, 4)
        scores = attention.q_norm(query) * attention.scale @ attention.k_norm(key).transpose(-2, -1)
        scores[:, blurred, target] = 0
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        return attention.proj(attention.norm(mixed))

    attention.forward = attend
    try:
        yield
    finally:
        del attention.forward
