"""What moves the weights of a bundled model in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from explain.bundled.making.recipes import Recipe
from explain.networks.torchvision_operators import declare_missing_operators

declare_missing_operators()

from timm.models.vision_transformer import VisionTransformer  # noqa: E402
from timm.optim import Muon  # noqa: E402


def build_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimiser the recipe names, without weight decay for biases and norms.

    Muon (Jordan 2024) takes what `find_hidden` finds, AdamW what is left, without weight decay. Muon's steps are as
    long for every matrix, whatever its gradient; for filters whose length `fix_norms` keeps, its rate is an angle.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    if recipe.optimiser == "muon":
        hidden = find_hidden(model)
        taken = {id(p) for p in hidden}
        rest = [p for p in parameters if id(p) not in taken]
        fallback: dict[str, Any] = {"use_fallback": True, "lr": recipe.rest_rate, "weight_decay": 0.0}
        return Muon(
            [{"params": hidden}, {"params": rest, **fallback}],
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            momentum=0.9,
            nesterov=True,
            adjust_lr_fn="original",
        )
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def find_hidden(model: nn.Module) -> list[nn.Parameter]:
    """What Muon takes: the matrices of the blocks of a ViT; of a CNN, its filters `(out, in, k, k)`."""
    for module in model.modules():
        if isinstance(module, VisionTransformer):
            return [p for p in module.blocks.parameters() if p.ndim == 2 and p.requires_grad]
    return [p for p in model.parameters() if p.ndim == 4 and p.requires_grad]


def fix_norms(filters: Sequence[nn.Parameter]) -> None:
    """Scale the filters `(out, in, k, k)` of each convolution to a mean square length of 1.

    Batch normalisation follows each of them, so that no answer changes.
    """
    with torch.no_grad():
        for weight in filters:
            weight.mul_(len(weight) ** 0.5 / weight.norm())
