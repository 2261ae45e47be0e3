"""A network and pictures to look at: a seeded ResNet, alive although nobody trained it, and soft coloured blobs."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from explain.models.loaded import LoadedModel
from explain.models.request import ModelRequest
from explain.networks.layer_search import find_layers
from explain.networks.torchvision_operators import declare_missing_operators
from explain.pictures.geometry import Preprocessing, prepare
from explain.pictures.picture import Picture

declare_missing_operators()

from torchvision.models import resnet18, resnet50  # noqa: E402

SIZE = 224
NETWORKS = {"resnet50": resnet50, "resnet18": resnet18}


def build_network(name: str = "resnet50", seed: int = 0, size: int = SIZE) -> nn.Module:
    """A ResNet with random weights, in evaluation mode, whose statistics are those of its own activations.

    With the statistics torchvision starts from (mean 0, variance 1) activations would grow from block to block and the
    gradients would say nothing. One pass in training mode over seeded pictures takes the true ones.
    """
    torch.manual_seed(seed)
    network = NETWORKS[name](weights=None)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    network.train()
    with torch.no_grad():
        network(torch.cat([make_input(number, size) for number in range(1000, 1004)]))
    return network.eval()


def make_pixels(seed: int, size: int = SIZE) -> np.ndarray:
    """A picture of soft coloured blobs and some grain, `(size, size, 3)` uint8."""
    random = torch.Generator().manual_seed(seed)
    blobs = torch.rand(1, 3, 7, 7, generator=random)
    smooth = functional.interpolate(blobs, size=(size, size), mode="bicubic", align_corners=False)[0]
    grain = 0.1 * torch.randn(3, size, size, generator=random)
    return (255 * (smooth + grain).clamp(0, 1)).round().to(torch.uint8).permute(1, 2, 0).numpy()


def make_picture(seed: int, size: int = SIZE) -> Picture:
    """The same as a decoded picture of the model's input size, so that nothing needs to be resized."""
    pixels = make_pixels(seed, size)
    pixels.setflags(write=False)
    return Picture(f"picture {seed}", pixels, pixels, hashlib.sha256(pixels.tobytes()).hexdigest())


def make_input(seed: int, size: int = SIZE) -> Tensor:
    """The same as a network's input, `(1, 3, size, size)`."""
    return prepare(make_picture(seed, size), choose_preprocessing(size)).tensor


def choose_preprocessing(size: int = SIZE) -> Preprocessing:
    return Preprocessing(input_size=(size, size))


def wrap_network(network: nn.Module, name: str = "resnet50", size: int = SIZE) -> LoadedModel:
    """The network as the engine takes it. Its parameters are frozen, as those of every loaded model are."""
    head = network.get_submodule("fc").weight.detach()
    return LoadedModel(
        request=ModelRequest(source="file", name=name),
        module=network.eval().requires_grad_(False),
        preprocessing=choose_preprocessing(size),
        labels=tuple(f"class {index}" for index in range(len(head))),
        fingerprint=hashlib.sha256(head.cpu().numpy().tobytes()).hexdigest(),
        layers=find_layers(network, 3, (size, size)),
    )
