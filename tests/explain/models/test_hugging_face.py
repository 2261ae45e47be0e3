"""Classifiers of transformers under their own names, proved by the scores of the same network of timm."""

import re
from collections.abc import Callable, Sequence

import pytest
import timm
import torch
import torchvision

from explain.errors import ModelError
from tests.support.checkpoints import make_lively, open_file, open_same

State = dict[str, torch.Tensor]
Rules = Sequence[tuple[str, str]]

VIT: Rules = (
    (r"^cls_token", "KIND.embeddings.cls_token"),
    (r"^dist_token", "KIND.embeddings.distillation_token"),
    (r"^pos_embed", "KIND.embeddings.position_embeddings"),
    (r"^patch_embed\.proj", "KIND.embeddings.patch_embeddings.projection"),
    (r"^blocks", "KIND.encoder.layer"),
    (r"attn\.proj", "attention.output.dense"),
    (r"attn\.(query|key|value)", r"attention.attention.\1"),
    (r"attn\.q_bias", "attention.attention.query.bias"),
    (r"attn\.v_bias", "attention.attention.value.bias"),
    (r"attn\.relative", "attention.attention.relative_position_bias.relative"),
    (r"gamma_", "lambda_"),
    (r"^fc_norm", "KIND.pooler.layernorm"),
    (r"^norm\.", "KIND.layernorm."),
    (r"^head_dist\.", "distillation_classifier."),
)
BLOCK: Rules = (
    (r"mlp\.fc1", "intermediate.dense"),
    (r"mlp\.fc2", "output.dense"),
    (r"norm1", "layernorm_before"),
    (r"norm2", "layernorm_after"),
)
SWIN: Rules = (
    (r"^patch_embed\.proj", "swin.embeddings.patch_embeddings.projection"),
    (r"^patch_embed\.norm", "swin.embeddings.norm"),
    (r"attn\.proj", "attention.output.dense"),
    (r"attn\.(query|key|value|relative)", r"attention.self.\1"),
    (r"^norm\.", "swin.layernorm."),
    (r"^head\.fc", "classifier"),
    (r"^layers", "swin.encoder.layers"),
)
CONVNEXT: Rules = (
    (r"^stem\.0", "convnext.embeddings.patch_embeddings"),
    (r"^stem\.1", "convnext.embeddings.layernorm"),
    (r"^stages\.(\d+)\.downsample", r"convnext.encoder.stages.\1.downsampling_layer"),
    (r"^stages\.(\d+)\.blocks", r"convnext.encoder.stages.\1.layers"),
    (r"conv_dw", "dwconv"),
    (r"(layers\.\d+)\.norm", r"\1.layernorm"),
    (r"mlp\.fc", "pwconv"),
    (r"gamma", "layer_scale_parameter"),
    (r"^head\.norm", "convnext.layernorm"),
    (r"^head\.fc", "classifier"),
)


def write(state: State, rules: Rules, kind: str = "") -> State:
    """A state dict under the names of transformers, with three matrices for queries, keys and values."""
    written = {}
    for key, tensor in state.items():
        parts = {key: tensor}
        if "attn.qkv." in key:
            names = (key.replace("qkv", name) for name in ("query", "key", "value"))
            parts = dict(zip(names, tensor.chunk(3), strict=True))
        for name, part in parts.items():
            for pattern, replacement in rules:
                name = re.sub(pattern, replacement.replace("KIND", kind), name)
            written[name] = part.clone()
    return written


def write_vit(kind: str, head: str = "classifier.") -> Callable[[State], State]:
    return lambda state: write(state, (*VIT, (r"^head\.", head), *BLOCK), kind)


def write_swin(state: State) -> State:
    moved = {
        re.sub(r"layers\.(\d)\.downsample", lambda at: f"layers.{int(at.group(1)) - 1}.downsample", key): tensor
        for key, tensor in state.items()
    }
    return write(moved, (*SWIN, *BLOCK))


def write_resnet(state: State) -> State:
    written = {}
    for key, tensor in state.items():
        key = re.sub(r"^conv1", "resnet.embedder.embedder.convolution", key)
        key = re.sub(r"^bn1", "resnet.embedder.embedder.normalization", key)
        key = re.sub(r"downsample\.0", "shortcut.convolution", key).replace("downsample.1", "shortcut.normalization")
        key = re.sub(
            r"^layer(\d)\.(\d+)", lambda at: f"resnet.encoder.stages.{int(at.group(1)) - 1}.layers.{at.group(2)}", key
        )
        key = re.sub(r"\.conv(\d)\.", lambda at: f".layer.{int(at.group(1)) - 1}.convolution.", key)
        key = re.sub(r"\.bn(\d)\.", lambda at: f".layer.{int(at.group(1)) - 1}.normalization.", key)
        written[re.sub(r"^fc\.", "classifier.1.", key)] = tensor
    return written


KINDS: dict[str, tuple[str, Callable[[State], State]]] = {
    "vit": ("vit_tiny_patch16_224", write_vit("vit")),
    "deit": ("vit_tiny_patch16_224", write_vit("deit")),
    "distilled": ("deit_tiny_distilled_patch16_224", write_vit("deit", "cls_classifier.")),
    "beit": ("beit_base_patch16_224", write_vit("beit")),
    "swin": ("swin_tiny_patch4_window7_224", write_swin),
    "convnext": ("convnext_tiny", lambda state: write(state, CONVNEXT)),
    "resnet": ("resnet26", write_resnet),
}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in ("beit", "swin", "convnext"))) for kind in KINDS]
)
def test_networks_of_transformers(kind: str) -> None:
    name, rename = KINDS[kind]
    torch.manual_seed(0)
    source = make_lively(timm.create_model(name, num_classes=3))
    state = rename(source.state_dict())
    assert not set(state) & set(source.state_dict()), "every name is another"
    model = open_same(source, state, f"timm/{name}")
    assert not any("left out" in note for note in model.notes)


def test_another_size_and_a_wrapper() -> None:
    torch.manual_seed(0)
    source = make_lively(timm.create_model("vit_tiny_patch16_224", num_classes=3, img_size=96))
    state = {f"model.{key}": tensor for key, tensor in write_vit("vit")(source.state_dict()).items()}
    model = open_same(source, {"state_dict": state}, "timm/vit_tiny_patch16_224")
    assert model.preprocessing.input_size == (96, 96)


@pytest.mark.slow
def test_into_torchvision() -> None:
    torch.manual_seed(0)
    source = make_lively(torchvision.models.vit_b_32(num_classes=3, image_size=64))
    names = {"encoder.ln.": "vit.layernorm.", "heads.head.": "classifier.", "conv_proj.": "patch_embed.proj."}
    plain = {}
    for key, tensor in source.state_dict().items():
        for before, after in names.items():
            key = key.replace(before, after)
        key = re.sub(r"^encoder\.layers\.encoder_layer_", "blocks.", key)
        key = key.replace("class_token", "cls_token").replace("encoder.pos_embedding", "pos_embed")
        key = key.replace("self_attention.in_proj_", "attn.qkv.").replace("self_attention.out_proj", "attn.proj")
        key = (
            key.replace("ln_1", "norm1")
            .replace("ln_2", "norm2")
            .replace("mlp.0", "mlp.fc1")
            .replace("mlp.3", "mlp.fc2")
        )
        plain[key] = tensor
    open_same(source, write(plain, (*VIT, *BLOCK), "vit"), "torchvision/vit_b_32")


def test_other_networks_of_transformers_are_named() -> None:
    state = write_vit("dinov2")(timm.create_model("vit_tiny_patch16_224", num_classes=3, depth=2).state_dict())
    with pytest.raises(ModelError, match=r"network of Hugging Face's transformers \(dinov2\)") as caught:
        open_file(state, "timm/vit_tiny_patch16_224")
    assert "another architecture" not in str(caught.value)
    state = write_vit("vit")(timm.create_model("vit_tiny_patch16_224", num_classes=3).state_dict())
    with pytest.raises(ModelError, match=r"transformers \(vit\), and not torchvision/resnet18"):
        open_file(state, "torchvision/resnet18")
