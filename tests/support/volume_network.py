"""A small network of volumes, to ask for maps with a place."""

import torch
from torch import nn

from explain.engine.engine import Engine
from explain.models.loaded import LoadedModel

PREPROCESSING = {
    "depth": 8,
    "input_size": (16, 16),
    "channels": 1,
    "mean": (0.0,),
    "std": (1.0,),
    "spacing": (5.0, 0.5, 0.5),
    "window": (0.0, 4000.0),
    "orientation": "SPL",
}


class Halving(nn.Module):
    """Two classes by a convolution that halves rows and columns; the second likes what is bright."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.step = nn.Sequential(nn.Conv3d(1, 4, 3, (1, 2, 2), padding=1), nn.ReLU())
        self.head = nn.Linear(4, 2)
        nn.init.uniform_(self.step[0].weight, 0.02, 0.1)
        nn.init.uniform_(self.head.weight, 0.5, 1)
        self.head.weight.data[0] *= -1

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return self.head(self.step(volumes).mean((2, 3, 4)))


def load_network(engine: Engine) -> LoadedModel:
    """It, ready to be looked into."""
    return engine.load(Halving(), preprocessing=PREPROCESSING, labels=["dark", "bright"])
