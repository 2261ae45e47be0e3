"""Small networks whose numbers are known: what a head of given biases says hardly depends on the picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from explain.networks.torchvision_operators import declare_missing_operators
from tests.support.checkpoints import save

declare_missing_operators()

import timm  # noqa: E402

RESNET, VIT = "timm/test_resnet", "timm/test_vit"
SIDE = 64


def build_head(biases: Sequence[float], architecture: str = RESNET, seed: int = 0) -> bytes:
    """A checkpoint with one number for each bias, which is about that number for any picture.

    Args:
        biases: of the head.
        architecture: one of timm's.
        seed: of its weights.
    """
    torch.manual_seed(seed)
    name = architecture.removeprefix("timm/")
    size = {"img_size": SIDE} if architecture == VIT else {}
    state = timm.create_model(name, num_classes=len(biases), **size).state_dict()
    head = "head" if architecture == VIT else "fc"
    state[f"{head}.weight"] = torch.randn(state[f"{head}.weight"].shape) * 1e-3
    state[f"{head}.bias"] = torch.tensor(biases)
    return save(state)
