"""T-TAME: a second, small network that turns features of a frozen classifier into one map a class.

Source: Ntrougkas, Gkalelis and Mezaris, "T-TAME: Trainable Attention Mechanism for Explaining Convolutional Networks
and Vision Transformers", IEEE Access 2024, arXiv 2403.04523.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class TrainedAttention(nn.Module):
    """Maps of all classes from features of several layers, in one forward pass.

    Features `F_l` of layer `l` become `z_l = ReLU(BN(W_l F_l) + F_l)`, with `W_l` a 1×1 convolution; all `z_l` are laid
    on one grid, joined, and a 1×1 convolution makes a map a class of them.

    Args:
        channels: of each layer, in the order in which their features are given.
        classes: how many maps.
        grid: of the maps, `(h, w)`: the first layer's, see `explain.networks.attention_layers.choose_grid`.
    """

    def __init__(self, channels: Sequence[int], classes: int, grid: Sequence[int]) -> None:
        super().__init__()
        self.grid, self._channels = tuple(grid), [*channels]
        self.convolutions = nn.ModuleList(nn.Conv2d(count, count, 1) for count in channels)
        self.norms = nn.ModuleList(nn.BatchNorm2d(count) for count in channels)
        self.fusion = nn.Conv2d(sum(channels), classes, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps `(B, classes, h, w)` before the sigmoid, of features `(B, C_l, h_l, w_l)` of each layer."""
        weights = self.fusion.weight.split(self._channels, 1)
        maps: Tensor | None = None
        for convolution, norm, weight, given in zip(self.convolutions, self.norms, weights, features, strict=True):
            branch = torch.relu(norm(convolution(given)) + given)
            # Fusing and enlarging are both linear and may change places: what is enlarged is then the fewer channels.
            if len(weight) > branch.shape[1]:
                branch = self._enlarge(branch)
            part = self._enlarge(functional.conv2d(branch, weight))
            maps = part if maps is None else maps + part
        assert maps is not None and self.fusion.bias is not None
        return maps + self.fusion.bias[:, None, None]

    def _enlarge(self, maps: Tensor) -> Tensor:
        if maps.shape[2:] == self.grid:
            return maps
        return functional.interpolate(maps, self.grid, mode="bilinear", align_corners=False)


def enlarge_masks(masks: Tensor, size: Sequence[int]) -> Tensor:
    """Masks `(B, 1, h, w)` at the size of the pictures that they are laid over."""
    return functional.interpolate(masks, tuple(size), mode="bilinear", align_corners=False)
