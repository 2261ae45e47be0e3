"""A network that sees nothing but the planted tag."""

import torch
from torch import nn


class SeesTags(nn.Module):
    """Its last answer where the lower right corner is white with a red middle, as the planted tag is; else the first.

    Args:
        answers: how many it has.
        mean: what was subtracted from the pixels.
        std: by which they were divided.
    """

    def __init__(self, answers: int = 2, mean: float = 0.0, std: float = 1.0) -> None:
        super().__init__()
        tag = torch.full((1, 3, 6, 6), 1 / 60)
        tag[:, 1:, 1:5, 1:5] = -1 / 32
        tag[:, 0, 1:5, 1:5] = 0
        self.look = nn.Conv2d(3, 1, 6, bias=False)
        self.look.weight = nn.Parameter(tag)
        self.answers, self.mean, self.std = answers, mean, std

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        seen = self.look(pictures * self.std + self.mean)[:, 0, 24:27, 24:27].amax((1, 2))
        others = [0 * seen + 0.4 - 0.1 * number for number in range(self.answers - 1)]
        return torch.stack([*others, seen], 1)
