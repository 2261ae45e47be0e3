"""The small network for drawn volumes that ships with CAMscope."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _build_step(channels: int, wider: int, stride: int | tuple[int, int, int]) -> nn.Sequential:
    """A convolution over 3×3×3 voxels, batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv3d(channels, wider, 3, stride, padding=1, bias=False), nn.BatchNorm3d(wider), nn.ReLU(inplace=True)
    )


class PhantomCnn(nn.Module):
    """A plain network of volumes `(B, 1, 32, 64, 64)`: 32³ cells after the stem, then 16³ and 8³, of which each
    channel's strongest cell goes into a linear head: a lesion of one cell is not lost among 512. 167,000 weights.

    Args:
        classes: how many numbers it answers with.
    """

    def __init__(self, classes: int = 8) -> None:
        super().__init__()
        self.stem = _build_step(1, 16, (1, 2, 2))
        self.fine = nn.Sequential(_build_step(16, 32, 2), _build_step(32, 32, 1))
        self.coarse = nn.Sequential(_build_step(32, 48, 2), _build_step(48, 64, 1))
        self.head = nn.Linear(64, classes)

    def forward(self, volumes: Tensor) -> Tensor:
        """Scores `(B, classes)`."""
        features: Tensor = self.coarse(self.fine(self.stem(volumes)))
        return torch.as_tensor(self.head(features.amax((2, 3, 4))))
