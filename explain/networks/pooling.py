"""Poolings that authors put in the place of a network's own average."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MaxAndMean(nn.Module):
    """From `(B, C, H, W)` to `(B, 2 C)`: first each channel's maximum, then its mean, as fastai's heads take them."""

    def forward(self, features: Tensor) -> Tensor:
        """Pool a grid of features."""
        return torch.cat([features.amax((2, 3)), features.mean((2, 3))], dim=1)


class PowerMean(nn.Module):
    """From `(B, C, H, W)` to `(B, C)`: the generalised mean, its exponent learnt (Radenović et al. 2018, eq. 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.ones(1))

    def forward(self, features: Tensor) -> Tensor:
        """Pool a grid of features."""
        return features.clamp(min=1e-6).pow(self.p).mean((2, 3)).pow(1 / self.p)
