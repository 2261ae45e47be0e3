"""The channels that a method tries one by one: all, or those that vary most. Shared by Score-CAM and Ablation-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from explain.settings import setting

if TYPE_CHECKING:
    from torch import Tensor

    from explain.networks.layer import Layer


def channels_setting() -> Any:
    """The setting that says how many channels are tried."""
    return setting(
        0,
        "Strongest channels",
        "How many channels are tried, those that vary most from place to place first. 0 tries all. Time is in "
        "proportion.",
        low=0,
        high=4096,
        step=16,
    )


def count_channels(layer: Layer, channels: int) -> int:
    """How many of a layer's channels are tried where `channels` are asked for; 0 asks for all."""
    return min(channels, layer.channels) or layer.channels


def choose_channels(activations: Tensor, channels: int) -> Tensor:
    """Indices of the channels of `(C, h, w)` that vary most over the picture, in their order; all of them for 0."""
    import torch

    if not 0 < channels < len(activations):
        return torch.arange(len(activations), device=activations.device)
    return activations.flatten(1).var(1, correction=0).topk(channels).indices.sort().values
