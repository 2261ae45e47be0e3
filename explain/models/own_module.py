"""A network of a person's own, handed over in Python as the module it is."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from explain.errors import ExplainError, LayerError, ModelError
from explain.models.labels import known_labels, number_classes
from explain.models.loaded import LoadedModel, finish_loading
from explain.models.own_preprocessing import read_preprocessing
from explain.models.request import ModelRequest
from explain.networks.meaning import Outputs
from explain.networks.trace import trace_network
from explain.pictures.geometry import Preprocessing
from explain.pictures.volume_preprocessing import VolumePreprocessing

if TYPE_CHECKING:
    from torch import nn

Labels = str | Sequence[str] | Mapping[Any, Any] | None
"""Names of classes: in their order, by index, with their index, or of a known set."""


@dataclass(frozen=True, eq=False)
class OwnModule:
    """A network as it was handed over, and what is known of it before it is looked into.

    Attributes:
        module: the person's own, which is left as it is: it may be trained further.
        preprocessing: how a picture becomes its input.
        labels: a name for each class; None where none were given.
        notes: sentences a person should read once.
        request: names it by all of this.
    """

    module: nn.Module
    preprocessing: Preprocessing
    labels: tuple[str, ...] | None
    notes: tuple[str, ...]
    request: ModelRequest


def hand_over(
    module: nn.Module, preprocessing: Any = None, labels: Labels = None, outputs: Outputs | None = None
) -> OwnModule:
    """Describe a network of somebody's own.

    Args:
        module: any that takes `(B, C, H, W)` and answers `(B, classes)`.
        preprocessing: see `read_preprocessing`; left out, timm's own where the network has it, else 224 pixels and
            ImageNet's mean and standard deviation, which a note says.
        labels: see `Labels`; left out, the classes are numbered.
        outputs: what its numbers mean; see `ModelRequest`.

    Raises:
        ModelError: it cannot be looked into, or something is not said in words that are known.
    """
    import torch

    module = _unwrap(module)
    if isinstance(module, torch.jit.ScriptModule):
        raise ModelError("A TorchScript module cannot be looked into. Give the module that it was made of.")
    notes: list[str] = []
    if preprocessing is not None:
        chosen = read_preprocessing(preprocessing)
    else:
        chosen = _guess_preprocessing(module, notes)
    names = _read_labels(labels)
    if outputs is not None and outputs not in get_args(Outputs):
        raise ModelError(f"Outputs cannot be “{outputs}”. Take one of: {', '.join(get_args(Outputs))}.")
    kind = type(module)
    digest = hashlib.sha256(f"{_describe(module)}\n{chosen.model_dump_json()}\n".encode())
    for name, tensor in sorted(module.state_dict().items()):
        if not isinstance(tensor, torch.Tensor):
            continue
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    request = ModelRequest(
        source="module",
        name=kind.__name__[:200] or "module",
        architecture=f"{kind.__module__}.{kind.__qualname__}",
        label_names=names,
        outputs=outputs,
        digest=digest.hexdigest(),
    )
    return OwnModule(module, chosen, names, tuple(notes), request)


def name_modules(model: object, layer: Any) -> Any:
    """Layers as they were named, with the name of each that was handed over as a part of the network itself.

    Args:
        model: the network, or the loaded model.
        layer: names, parts, or a list of both.

    Raises:
        LayerError: a part is not in the network.
    """
    from torch import nn

    module = getattr(model, "module", None) if isinstance(model, LoadedModel) else model
    if isinstance(layer, (list, tuple)):
        return [name_modules(model, one) for one in layer]
    if not isinstance(layer, nn.Module) or not isinstance(module, nn.Module):
        return layer
    for name, part in _unwrap(module).named_modules():
        if part is layer:
            return name
    raise LayerError(f"The {type(layer).__name__} given as the layer is no part of this network. Name it by its path.")


def load_own(own: OwnModule) -> LoadedModel:
    """A copy of the network, ready to be looked into.

    Raises:
        ModelError: it cannot be copied, run, or does not answer with a score for each class.
    """
    name, chosen = own.request.name, own.preprocessing
    notes = list(own.notes)
    try:
        module = copy.deepcopy(own.module).float()
    except Exception as error:
        raise ModelError(f"“{name}” cannot be copied ({error}). Give one whose parameters are leaves.") from None
    if own.module.training:
        notes.append("The network was in training mode; its copy here is in evaluation mode.")
    module.eval().requires_grad_(False)
    try:
        _, answer, _ = trace_network(module, chosen.channels, chosen.sides)
    except ExplainError:
        raise
    except Exception as error:
        sides = " × ".join(map(str, (chosen.channels, *chosen.sides)))
        more = ", and 'depth': … where it reads volumes" if not isinstance(chosen, VolumePreprocessing) else ""
        raise ModelError(
            f"“{name}” cannot work on an input of {sides} ({error}). Say what it takes: "
            f"preprocessing={{'input_size': …, 'channels': …}}{more}."
        ) from None
    if answer is None or answer.ndim != 2 or answer.shape[0] != 1:
        found = "no tensor" if answer is None else f"a tensor of shape {tuple(answer.shape)}"
        raise ModelError(f"“{name}” answers a picture with {found}, not with a score for each class: (1, classes).")
    count = int(answer.shape[1])
    if own.labels is None:
        notes.append("No class names were given, so the classes are numbered.")
    elif len(own.labels) != count and not (count == 1 and len(own.labels) == 2):
        raise ModelError(f"{len(own.labels):,} class names were given for {count:,} classes. Give one name a class.")
    names = own.labels or number_classes(count)
    architecture = f"module {own.request.digest}"
    return finish_loading(own.request, module, None, architecture, chosen, names, notes, count)


def _unwrap(module: nn.Module) -> nn.Module:
    """The network inside of what runs it on several devices, or compiled."""
    from torch import nn

    while True:
        if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            module = module.module
        elif isinstance(getattr(module, "_orig_mod", None), nn.Module):
            module = module._orig_mod  # type: ignore[assignment]
        else:
            return module


def _guess_preprocessing(module: nn.Module, notes: list[str]) -> Preprocessing:
    """timm's own configuration where the network has one; else what most networks were trained with."""
    channels = _count_channels(module)
    config = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    if isinstance(config, Mapping) and config.get("input_size") and channels == 3:
        return read_preprocessing({"crop_pct": 0.875, **config})
    said = "0.485, 0.456, 0.406 and 0.229, 0.224, 0.225" if channels == 3 else "0.449 and 0.226"
    notes.append(
        f"No preprocessing was given: pictures are made 224 × 224 pixels by a crop, with ImageNet's mean and standard "
        f"deviation ({said}). Say preprocessing= where the network was trained otherwise."
    )
    return read_preprocessing({"input_size": 224, "resize_size": 256, "channels": channels})


def _count_channels(module: nn.Module) -> int:
    """Channels of the input, by the first convolution; 3 where there is none.

    Raises:
        ModelError: it takes neither grey nor colour, of which alone the usual preparation is known.
    """
    from torch import nn

    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    channels = 3 if first is None else first.in_channels
    if channels not in (1, 3):
        raise ModelError(
            f"The network takes {channels} channels, of which nobody knows how they were prepared. Say preprocessing="
            f"{{'input_size': …, 'channels': {channels}, 'mean': (…), 'std': (…)}}, with a number for each."
        )
    return channels


def _read_labels(labels: Labels) -> tuple[str, ...] | None:
    if labels is None:
        return None
    if isinstance(labels, str):
        return known_labels(labels)
    if isinstance(labels, Mapping):
        pairs = {str(key): str(value) for key, value in labels.items()}
        by_index = pairs if all(key.isdecimal() for key in pairs) else {index: name for name, index in pairs.items()}
        if sorted(by_index) != sorted(map(str, range(len(pairs)))):
            raise ModelError("The class names are a mapping whose indices are not 0, 1, 2 … without a gap.")
        return tuple(by_index[str(index)] for index in range(len(pairs)))
    if not isinstance(labels, Sequence):
        raise ModelError(f"Class names cannot be a {type(labels).__name__}. Give a list with one name a class.")
    return tuple(str(label) for label in labels)


def _describe(module: nn.Module) -> str:
    """All of a network but its weights that can be written down: its parts, their plain settings, what they do."""
    lines = [repr(module)]
    seen: set[type] = set()
    for name, part in module.named_modules():
        plain = {
            key: value
            for key, value in sorted(vars(part).items())
            if key != "training" and not key.startswith("_") and isinstance(value, (bool, int, float, str, tuple))
        }
        lines.append(f"{name} {type(part).__qualname__} {plain}")
        code = getattr(getattr(type(part), "forward", None), "__code__", None)
        if type(part) not in seen and code is not None:
            seen.add(type(part))
            lines.append(f"{code.co_code.hex()} {code.co_names} {[c for c in code.co_consts if _is_plain(c)]}")
    return "\n".join(lines)


def _is_plain(constant: object) -> bool:
    return isinstance(constant, (bool, int, float, str, bytes, tuple, type(None)))
