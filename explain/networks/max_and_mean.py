"""The pooling of fastai's heads: the largest and the mean of each channel side by side."""

from __future__ import annotations

from torch import Tensor, cat, nn


class MaxAndMean(nn.Module):
    """From `(B, C, H, W)` to `(B, 2 C)`: first each channel's maximum, then its mean, as `AdaptiveConcatPool2d`."""

    def forward(self, features: Tensor) -> Tensor:
        """Pool a grid of features."""
        return cat([features.amax((2, 3)), features.mean((2, 3))], dim=1)
