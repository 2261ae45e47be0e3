"""A first layer that an author put in the place of the architecture's own: other channels, or a bias of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from explain.errors import ModelError
from explain.models.fitting import Fitted
from explain.pictures.geometry import MOST_CHANNELS

if TYPE_CHECKING:
    from torch import Tensor, nn


_ASK = "In Python, give the network itself: Engine().explain(picture, model=network)."
_SHORTCUT = re.compile(r"^layer\d\.0\.downsample\.0\.bias$")


def check_stem(fitted: Fitted, outline: nn.Module, stem: str | None, name: str) -> None:
    """Refuse a first layer that cannot be built from its weights.

    Args:
        fitted: the file's tensors under the network's names.
        outline: the network with its own first layer.
        stem: path of that layer; None where it is not known.
        name: what to call the file in an error.

    Raises:
        ModelError: its kernel or its number of outputs is another, or there are several layers in its place or another
            one before it.
    """
    if stem is None:
        return
    tensors = fitted.tensors
    own = outline.state_dict()[f"{stem}.weight"]
    found = tensors.get(f"{stem}.weight")
    taken = own.shape[1] if found is None else found.shape[1]
    for key, tensor in fitted.beside.items():
        if tensor.ndim == 4 and tensor.shape[0] == taken and tensor.shape[1] <= MOST_CHANNELS:
            raise ModelError(
                f"“{name}” has a layer before this architecture ({key}), which gives it its {taken} channels, and how "
                f"it works cannot be told from its weights. {_ASK}"
            )
    if found is None:
        inside = [key for key in tensors if key.startswith(f"{stem}.") and tensors[key].ndim == 4]
        if inside:
            raise ModelError(
                f"“{name}” has another first layer than the architecture's ({inside[0]} for {stem}.weight), "
                f"and how it works cannot be told from its weights. {_ASK}"
            )
        return
    if found.ndim == own.ndim == 4 and found.shape[2:] != own.shape[2:]:
        theirs, ours = ("×".join(map(str, tensor.shape[2:])) for tensor in (found, own))
        if "patch" in stem or stem == "conv_proj":
            raise ModelError(
                f"“{name}” cuts the picture into patches of {theirs} pixels, and this architecture into {ours}. Choose "
                "the architecture of the same patches."
            )
        raise ModelError(
            f"“{name}” has another first layer than the architecture's: a kernel of {theirs} in {stem} instead of "
            f"{ours}. Its step, and whether the pooling after it was left out, cannot be told from the weights. {_ASK}"
        )


def match_step(module: Any, tensors: Mapping[str, Tensor]) -> list[str]:
    """Give a ResNet of MONAI, known by the biases of its shortcuts, the step of its first layer; a sentence says so.

    Args:
        module: the network; changed in place.
        tensors: under its names.
    """
    bias = next((key for key in tensors if _SHORTCUT.match(key)), None)
    if bias is None or getattr(getattr(module, "conv1", None), "stride", None) != (2, 2):
        return []
    module.conv1.stride = (1, 1)
    return [
        f"The shortcuts have biases ({bias}), as in MONAI's ResNet, so the first layer takes steps of 1, as there. "
        "Check the scores on a picture you know."
    ]


def match_biases(module: nn.Module, tensors: Mapping[str, Tensor], places: tuple[str, ...]) -> list[str]:
    """Give layers a bias where the file has one, and take it from those at `places` where the file has none.

    Args:
        module: the network; changed in place.
        tensors: under its names.
        places: paths of the layers that authors replace, the first and the last.

    Returns:
        The paths of those whose bias was taken.
    """
    import torch
    from torch import nn

    bare = []
    layers = {path: part for path, part in module.named_modules() if isinstance(part, (nn.Conv2d, nn.Linear))}
    for path, layer in layers.items():
        bias = tensors.get(f"{path}.bias")
        if layer.bias is None and bias is not None and bias.shape == layer.weight.shape[:1]:
            layer.bias = nn.Parameter(torch.zeros(len(bias)))
        elif layer.bias is not None and bias is None and path in places and f"{path}.weight" in tensors:
            layer.bias = None
            bare.append(path)
    return bare
