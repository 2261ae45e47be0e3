"""Names that other libraries and older versions gave the same tensors, as the names of today."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from explain.models.hugging_face import rename_hugging_face

if TYPE_CHECKING:
    from torch import Tensor, nn

_WRAPPERS = re.compile(r"(^|\.)(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)(?=\.)")
_DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")
_TIMM_FILTERS = ("checkpoint_filter_fn", "_filter_fn", "pretrained_filter_fn", "_filter_torchvision_pretrained")

_DEEPEST_CUT, _MOST_CUTS = 3, 2
"""Parts of a name before the number of a child, and places where numbers may be those of children."""

Names = Mapping[str, "Tensor"]


def unwrap(tensors: Names) -> dict[str, Tensor]:
    """Take out, wherever they stand, the names that PyTorch's wrappers for many devices and for compiling put in."""
    plain: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        short = _WRAPPERS.sub(r"\1", key)
        plain[re.sub(r"\.{2,}", ".", short).lstrip(".")] = tensor
    return plain


def list_renamings(module: nn.Module) -> Iterator[Callable[[Names], dict[str, Tensor] | None]]:
    """Each takes a file's tensors and gives them back under other names, or None where they are not of its kind.

    Args:
        module: the network that they are to go into.
    """
    yield rename_dense_net
    yield rename_monai
    yield lambda tensors: rename_efficient_net(tensors, module)
    yield lambda tensors: rename_hugging_face(tensors, module)
    for depth in range(_DEEPEST_CUT):
        for rank in range(_MOST_CUTS):
            yield partial(rename_children, module=module, depth=depth, rank=rank)


def rename_dense_net(tensors: Names) -> dict[str, Tensor] | None:
    """DenseNet of PyTorch before 0.4, which torchvision's own downloads still hold: `denselayer1.norm.1.weight`."""
    if not any(_DENSE_LAYER.search(key) for key in tensors):
        return None
    return {_DENSE_LAYER.sub(r"\1\2.", key): tensor for key, tensor in tensors.items()}


def rename_monai(tensors: Names) -> dict[str, Tensor] | None:
    """DenseNet of MONAI: `denselayer1.layers.norm1.weight`, `class_layers.out.weight`."""
    if not any("class_layers.out." in key or ".layers.norm1." in key for key in tensors):
        return None
    return {
        re.sub(r"(denselayer\d+)\.layers\.", r"\1.", key).replace("class_layers.out.", "classifier."): tensor
        for key, tensor in tensors.items()
    }


_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_INNER = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_se_reduce": "se.conv_reduce",
    "_se_expand": "se.conv_expand",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_INNER_WITHOUT_EXPANSION = {**_INNER, "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def rename_efficient_net(tensors: Names, module: Any) -> dict[str, Tensor] | None:
    """EfficientNet of the package efficientnet_pytorch: `_blocks.0._depthwise_conv.weight`, `_fc.weight`.

    It pads as TensorFlow does, so that its weights are at home in timm's `tf_efficientnet_…` alone.

    Args:
        tensors: by the file's names.
        module: the network that they are to go into.
    """
    stem = next((key for key in tensors if key.endswith("_conv_stem.weight")), None)
    if stem is None or not str(getattr(module, "pretrained_cfg", {}).get("architecture", "")).startswith("tf_"):
        return None
    prefix = stem.removesuffix("_conv_stem.weight")
    places = [f"blocks.{stage}.{at}" for stage, blocks in enumerate(module.blocks) for at in range(len(blocks))]
    renamed: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        first, _, rest = key.removeprefix(prefix).partition(".")
        if key.startswith(prefix) and first == "_blocks":
            number, _, rest = rest.partition(".")
            layer, _, last = rest.partition(".")
            expands = f"{prefix}_blocks.{number}._expand_conv.weight" in tensors
            known = (_INNER if expands else _INNER_WITHOUT_EXPANSION).get(layer)
            if known is not None and number.isdecimal() and int(number) < len(places):
                renamed[f"{places[int(number)]}.{known}.{last}"] = tensor
                continue
        renamed[f"{_OUTER[first]}.{rest}" if key.startswith(prefix) and first in _OUTER else key] = tensor
    return renamed


def rename_children(tensors: Names, module: nn.Module, depth: int = 0, rank: int = 0) -> dict[str, Tensor] | None:
    """A network cut into `nn.Sequential(*list(net.children())[:-1])`: the number of a child in place of its name.

    Args:
        tensors: by the file's names.
        module: the network that was cut.
        depth: how many parts of the names stand before the number.
        rank: which of the places that have such numbers, that of the highest number first.
    """
    children = [child for child, _ in module.named_children()]
    numbered: dict[str, int] = {}
    for key in tensors:
        parts = key.split(".")
        if len(parts) > depth + 1 and parts[depth].isdecimal() and len(parts[depth]) < 4:
            start = ".".join(parts[:depth])
            numbered[start] = max(numbered.get(start, 0), int(parts[depth]))
    own = set(children)
    for start in sorted(numbered, key=lambda start: -numbered[start])[rank:]:
        if start.rpartition(".")[2] in own or numbered[start] >= len(children) or numbered[start] < 1:
            continue
        prefix = f"{start}." if start else ""
        renamed: dict[str, Tensor] = {}
        for key, tensor in tensors.items():
            number, dot, rest = key.removeprefix(prefix).partition(".")
            inside = key.startswith(prefix) and number.isdecimal() and dot and len(number) < 4
            renamed[f"{children[int(number)]}.{rest}" if inside else key] = tensor
        return renamed
    return None


def rename_as_timm(tensors: Names, module: nn.Module) -> dict[str, Tensor] | None:
    """What timm itself does with older checkpoints of the same network, and its authors' own.

    What timm resizes on the way is left as it was: a network of another size is not the one that was trained.

    Args:
        tensors: without a prefix.
        module: of timm.
    """
    source = sys.modules.get(type(module).__module__)
    if source is None or not source.__name__.startswith("timm."):
        return None
    for name in _TIMM_FILTERS:
        rename: Any = getattr(source, name, None)
        if rename is None:
            continue
        try:
            renamed = rename(dict(tensors), module)
        except Exception:  # it is written for the files that its authors know
            continue
        if isinstance(renamed, Mapping):
            own = {id(tensor) for tensor in tensors.values()}
            return {
                key: tensors[key] if id(tensor) not in own and _is_resized(tensor, tensors.get(key)) else tensor
                for key, tensor in renamed.items()
                if hasattr(tensor, "numel")
            }
    return None


def _is_resized(tensor: Tensor, before: Tensor | None) -> bool:
    return before is not None and before.numel() != tensor.numel()
