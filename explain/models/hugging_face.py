"""The image classifiers of Hugging Face's transformers, under the names of timm and torchvision.

Their networks are the same; three matrices for queries, keys and values are joined to one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

_VIT = (
    (r"^(?:vit|deit|beit)\.embeddings\.cls_token$", "cls_token"),
    (r"^deit\.embeddings\.distillation_token$", "dist_token"),
    (r"^(?:vit|deit|beit)\.embeddings\.position_embeddings$", "pos_embed"),
    (r"^(?:vit|deit|beit)\.embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^(?:vit|deit|beit)\.encoder\.layer\.", "blocks."),
    (r"^(?:vit|deit|beit)\.layernorm\.", "norm."),
    (r"^beit\.pooler\.layernorm\.", "fc_norm."),
    (
        r"attention\.attention\.relative_position_bias\.relative_position_bias_table$",
        "attn.relative_position_bias_table",
    ),
    (r"\.lambda_([12])$", r".gamma_\1"),
    (r"^cls_classifier\.", "head."),
    (r"^distillation_classifier\.", "head_dist."),
    (r"^classifier\.", "head."),
)
_SWIN = (
    (r"^swin\.embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^swin\.embeddings\.norm\.", "patch_embed.norm."),
    (r"^swin\.encoder\.layers\.", "layers."),
    (r"^swin\.layernorm\.", "norm."),
    (r"attention\.self\.relative_position_bias_table$", "attn.relative_position_bias_table"),
    (r"^classifier\.", "head.fc."),
)
_BLOCK = (
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
)
_CONVNEXT = (
    (r"^convnext\.embeddings\.patch_embeddings\.", "stem.0."),
    (r"^convnext\.embeddings\.layernorm\.", "stem.1."),
    (r"^convnext\.encoder\.stages\.(\d+)\.downsampling_layer\.", r"stages.\1.downsample."),
    (r"^convnext\.encoder\.stages\.(\d+)\.layers\.", r"stages.\1.blocks."),
    (r"\.dwconv\.", ".conv_dw."),
    (r"(blocks\.\d+)\.layernorm\.", r"\1.norm."),
    (r"\.pwconv([12])\.", r".mlp.fc\1."),
    (r"\.layer_scale_parameter$", ".gamma"),
    (r"^convnext\.layernorm\.", "head.norm."),
    (r"^classifier\.", "head.fc."),
)
_RESNET = (
    (r"^resnet\.embedder\.embedder\.convolution\.", "conv1."),
    (r"^resnet\.embedder\.embedder\.normalization\.", "bn1."),
    (r"\.shortcut\.convolution\.", ".downsample.0."),
    (r"\.shortcut\.normalization\.", ".downsample.1."),
    (r"^classifier\.1\.", "fc."),
)
_TORCHVISION_VIT = (
    (r"^cls_token$", "class_token"),
    (r"^pos_embed$", "encoder.pos_embedding"),
    (r"^patch_embed\.proj\.", "conv_proj."),
    (r"^blocks\.(\d+)\.norm([12])\.", r"encoder.layers.encoder_layer_\1.ln_\2."),
    (r"^blocks\.(\d+)\.attn\.qkv\.", r"encoder.layers.encoder_layer_\1.self_attention.in_proj_"),
    (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layers.encoder_layer_\1.self_attention.out_proj."),
    (r"^blocks\.(\d+)\.mlp\.fc1\.", r"encoder.layers.encoder_layer_\1.mlp.0."),
    (r"^blocks\.(\d+)\.mlp\.fc2\.", r"encoder.layers.encoder_layer_\1.mlp.3."),
    (r"^norm\.", "encoder.ln."),
    (r"^head\.", "heads.head."),
)
_QUERY = re.compile(r"attention\.(?:attention|self)\.(query|key|value)\.(weight|bias)$")
_KINDS = (
    *("vit", "deit", "beit", "swin", "swinv2", "convnext", "convnextv2", "resnet", "dinov2", "regnet", "levit", "cvt"),
    *("segformer", "poolformer", "mobilevit", "mobilevitv2", "efficientnet", "focalnet", "pvt", "data2vec_vision"),
    *(
        "vit_msn",
        "vit_mae",
        "bit",
        "efficientformer",
        "swiftformer",
        "hiera",
        "siglip",
        "clip",
        "dinov2_with_registers",
    ),
)
_UNUSED = ("mask_token", "position_ids", "relative_position_index", "pooler.dense.weight", "pooler.dense.bias")


def rename_hugging_face(tensors: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor] | None:
    """The tensors of ViT, DeiT, BEiT, Swin, ConvNeXt or ResNet of transformers; None where they are no such thing.

    Args:
        tensors: by the file's names.
        module: the network that they are to go into.
    """
    first = next(
        (key for key in tensors if re.search(r"(^|\.)(vit|deit|beit|swin|convnext|resnet)\.(emb|enc)", key)), None
    )
    found = first and re.search(r"(^|\.)(vit|deit|beit|swin|convnext|resnet)\.(emb|enc)", first)
    if not first or not found:
        return None
    kind, prefix = found.group(2), first[: found.start(2)]
    plain = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if not key.endswith(_UNUSED)}
    if kind == "resnet":
        return {_rename_in_resnet(_replace(key, _RESNET)): tensor for key, tensor in plain.items()}
    if kind == "convnext":
        return {_replace(key, _CONVNEXT): tensor for key, tensor in plain.items()}
    joined = _join_attention(plain, separate_bias=kind == "beit")
    renamed = {_replace(key, (*(_SWIN if kind == "swin" else _VIT), *_BLOCK)): value for key, value in joined.items()}
    if kind == "swin":
        return {
            re.sub(r"^layers\.(\d+)\.downsample", lambda at: f"layers.{int(at.group(1)) + 1}.downsample", key): value
            for key, value in renamed.items()
        }
    if hasattr(module, "conv_proj"):
        renamed = {_replace(key, _TORCHVISION_VIT): tensor for key, tensor in renamed.items()}
    return renamed


def name_transformer(names: Iterable[str]) -> str | None:
    """What transformers calls the network that has such names; None where it is no image classifier of theirs."""
    pattern = re.compile(r"(?:^|\.)([a-z]\w*)\.(?:embeddings|embedder|encoder)\.\w+")
    kinds = Counter(found.group(1) for found in map(pattern.search, names) if found)
    kind = next((kind for kind, _ in kinds.most_common(1)), None)
    return kind if kind in _KINDS else None


def _join_attention(tensors: Mapping[str, Tensor], separate_bias: bool) -> dict[str, Tensor]:
    """Queries, keys and values as one matrix.

    Args:
        tensors: under the names of transformers.
        separate_bias: as in BEiT, whose keys have none.
    """
    import torch

    joined: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        part = _QUERY.search(key)
        if part is None:
            joined[key] = tensor
            continue
        start, (role, kind) = key[: part.start()], part.groups()
        if separate_bias and kind == "bias":
            joined[f"{start}attn.{role[0]}_bias"] = tensor
        elif role == "query":
            three = [f"{key[: part.start(1)]}{other}.{kind}" for other in ("query", "key", "value")]
            if all(other in tensors for other in three):
                joined[f"{start}attn.qkv.{kind}"] = torch.cat([tensors[other] for other in three])
    return joined


def _rename_in_resnet(key: str) -> str:
    key = re.sub(
        r"^resnet\.encoder\.stages\.(\d+)\.layers\.(\d+)\.",
        lambda at: f"layer{int(at.group(1)) + 1}.{at.group(2)}.",
        key,
    )
    key = re.sub(r"\.layer\.(\d)\.convolution\.", lambda at: f".conv{int(at.group(1)) + 1}.", key)
    return re.sub(r"\.layer\.(\d)\.normalization\.", lambda at: f".bn{int(at.group(1)) + 1}.", key)


def _replace(key: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key
