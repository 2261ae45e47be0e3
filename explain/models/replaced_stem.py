"""A first layer that an author put in the place of the architecture's own: other channels, or a bias of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from explain.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn


def check_stem(tensors: Mapping[str, Tensor], outline: nn.Module, stem: str | None, name: str) -> None:
    """Refuse a first layer that cannot be built from its weights.

    Args:
        tensors: under the network's names.
        outline: the network with its own first layer.
        stem: path of that layer; None where it is not known.
        name: what to call the file in an error.

    Raises:
        ModelError: its kernel or its number of outputs is another, or there are several layers in its place.
    """
    if stem is None:
        return
    own = outline.state_dict()[f"{stem}.weight"]
    found = tensors.get(f"{stem}.weight")
    ask = "In Python, give the network itself: Engine().explain(picture, model=network)."
    if found is None:
        inside = [key for key in tensors if key.startswith(f"{stem}.") and tensors[key].ndim == 4]
        if inside:
            raise ModelError(
                f"“{name}” has another first layer than the architecture's ({inside[0]} for {stem}.weight), "
                f"and how it works cannot be told from its weights. {ask}"
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
            f"{ours}. Its step, and whether the pooling after it was left out, cannot be told from the weights. {ask}"
        )


def match_biases(module: nn.Module, tensors: Mapping[str, Tensor], places: tuple[str, ...]) -> None:
    """Give layers a bias where the file has one, and take it from those at `places` where the file has none.

    Args:
        module: the network; changed in place.
        tensors: under its names.
        places: paths of the layers that authors replace, the first and the last.
    """
    import torch
    from torch import nn

    layers = {path: part for path, part in module.named_modules() if isinstance(part, (nn.Conv2d, nn.Linear))}
    for path, layer in layers.items():
        bias = tensors.get(f"{path}.bias")
        if layer.bias is None and bias is not None and bias.shape == layer.weight.shape[:1]:
            layer.bias = nn.Parameter(torch.zeros(len(bias)))
        elif layer.bias is not None and bias is None and path in places and f"{path}.weight" in tensors:
            layer.bias = None
