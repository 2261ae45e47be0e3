"""The linear head of a network: whether one follows a layer's global average, and its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from explain.errors import MethodError
from explain.networks.layer import Layer

if TYPE_CHECKING:
    from torch import Tensor, nn

_TOLERANCE = 3e-3  # of the scores' own size; a convolution on a GPU is this coarse, and any bend is far above it

# Name of the head by layer, None where there is none; the proof takes a pass of the network.
_PROVEN: WeakKeyDictionary[nn.Module, dict[Layer, str | None]] = WeakKeyDictionary()


def find_head(module: nn.Module, layer: Layer, channels: int, input_size: Sequence[int]) -> Tensor:
    """Weights `(classes, C)` of the linear layer that reads the global average of a layer and gives the scores.

    A layer's place among the network's modules proves nothing: a normalisation or an activation may be called in
    between. So the layer's output is replaced by random numbers, of both signs and several magnitudes, and the scores
    must be `W · average + bias` of just those, for every class. What does nothing in evaluation mode, such as dropout,
    may stand between. Proven once for a network and layer; only where some linear layer has the right width at all.

    Args:
        module: in evaluation mode. Only one thread may look through it at a time.
        layer: where the average is taken.
        channels: 1 or 3.
        input_size: height and width of its input; depth first where it takes volumes.

    Raises:
        MethodError: something else follows the layer.
    """
    proven = _PROVEN.setdefault(module, {})
    if layer not in proven:
        proven[layer] = _prove(module, layer, channels, input_size)
    name = proven[layer]
    if name is None:
        raise MethodError(
            f"CAM needs a global average and one linear layer right after “{layer.name}”, and this model has something "
            "else there. Choose its last layer, or Grad-CAM, which shows the same where CAM applies."
        )
    return _read_weights(module.get_submodule(name)).float()


def _read_weights(linear: nn.Module) -> Tensor:
    """Weights of a linear layer, or of a 1×1 convolution, `(out, in)`."""
    weight: Tensor = linear.get_parameter("weight").detach()
    return weight.flatten(1)


def _prove(module: nn.Module, layer: Layer, channels: int, input_size: Sequence[int]) -> str | None:
    """Name of the linear layer whose weights the scores follow."""
    import torch
    from torch import nn

    candidates = [
        (name, part)
        for name, part in module.named_modules()
        if (isinstance(part, nn.Linear) or (isinstance(part, (nn.Conv2d, nn.Conv3d)) and set(part.kernel_size) == {1}))
        and part.weight.shape[1] == layer.channels
    ]
    if not candidates:
        return None
    first = next(module.parameters())
    replaced: list[Tensor] = []

    def replace(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        if not isinstance(output, torch.Tensor):
            return output
        replaced.append(_make_random(output, layer))
        return replaced[0].clone()  # what follows may work in place

    with torch.inference_mode(False), torch.no_grad():
        handle = module.get_submodule(layer.name).register_forward_hook(replace)
        try:
            scores = module(torch.zeros(1, channels, *input_size, device=first.device, dtype=first.dtype))
        finally:
            handle.remove()
        if not replaced:
            return None
        average = layer.to_map(replaced[0]).float().flatten(2).mean(2)[0]
        found = [name for name, part in candidates if _follows(scores[0].float(), average, part)]
    return found[-1] if found else None


def _make_random(output: Tensor, layer: Layer) -> Tensor:
    """Numbers unlike any layer's: each channel with its own magnitude, 0.1 to 100, and its own mean, of either sign."""
    import torch

    generator = torch.Generator().manual_seed(0)
    values = torch.randn(output.shape, generator=generator)
    axis = 1 if layer.layout.startswith("NC") else -1
    shape = [1] * output.ndim
    shape[axis] = layer.channels
    means = torch.randn(shape, generator=generator)
    magnitudes = 10 ** (torch.rand(shape, generator=generator) * 3 - 1)
    return ((values + means) * magnitudes).to(output)


def _follows(scores: Tensor, average: Tensor, linear: nn.Module) -> bool:
    """Whether the scores `(classes,)` are what the linear layer makes of the average `(C,)`."""
    weights = _read_weights(linear).float()
    if len(weights) != len(scores):
        return False
    bias = getattr(linear, "bias", None)
    expected = weights @ average + (0 if bias is None else bias.float())
    return bool((scores - expected).abs().max() <= _TOLERANCE * expected.abs().max())
