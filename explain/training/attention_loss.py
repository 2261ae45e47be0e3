"""What T-TAME's maps are trained for: the masked picture is named as before, by a small and smooth mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from explain.methods.occlusion import make_baseline
from explain.networks.trained_attention import enlarge_masks
from explain.training.attention_recipe import Hidden

if TYPE_CHECKING:
    from explain.pictures.geometry import Preprocessing
    from explain.training.attention_recipe import AttentionRecipe

_LEAST = 0.0005  # keeps the slope of the power finite where a mask is 0
_BORDER = 0.3
_BATCH, _SIDE = 32, 14
"""The published pictures a step and cells along a side, on which the weight of the variation is stated."""


def mask_pictures(pictures: Tensor, masks: Tensor, reference: Tensor) -> Tensor:
    """Pictures `(B, C, H, W)` that fade to what stands in where masks `(B, 1, h, w)`, 0…1, are low."""
    shown = enlarge_masks(masks, pictures.shape[2:])
    return reference + shown * (pictures - reference)


def make_reference(pictures: Tensor, hidden: Hidden, preprocessing: Preprocessing) -> Tensor:
    """What stands in for what is hidden, in the model's input; broadcasts to `(B, C, H, W)`."""
    if hidden == "blur":
        return torch.cat([make_baseline(picture[None], "blur") for picture in pictures])
    if hidden == "mean":
        return torch.zeros(1, device=pictures.device)
    mean, std = (torch.tensor(values, device=pictures.device) for values in (preprocessing.mean, preprocessing.std))
    return (-mean / std)[:, None, None]


def choose_masks(masks: Tensor, labels: Tensor, others: bool) -> Tensor:
    """Of masks of all classes `(B, classes, h, w)` those whose size and edges count: in each picture those of the
    classes of all pictures of the batch, `(B, B, h, w)`, or its own class's alone, `(B, 1, h, w)`.
    """
    return masks[:, labels] if others else take_own(masks, labels)


def take_own(masks: Tensor, labels: Tensor) -> Tensor:
    """Of masks of all classes each picture's own, `(B, 1, h, w)`."""
    return masks[torch.arange(len(labels), device=masks.device), labels][:, None]


def find_area(masks: Tensor, power: float) -> Tensor:
    """`mean((m + 0.0005)^power)` over all masks and cells."""
    return ((masks + _LEAST) ** power).mean()


def find_variation(masks: Tensor) -> Tensor:
    """How uneven masks are: `(Σ(Δ_row m)² + Σ(Δ_column m)² + 0.3 Σ_border m²) / 2`, a mean over masks.

    It is published as a sum over the `B × B` maps of a batch divided by `2 B`, which grows with the batch and, where
    edges are sharp, with the side of the grid. Here it is what that is for 32 pictures on 14 cells a side.

    Args:
        masks: `(B, M, h, w)`.
    """
    rows, columns = (masks.diff(dim=axis).square().sum((2, 3)) for axis in (2, 3))
    edges = (masks[..., 0, :], masks[..., -1, :], masks[..., :, 0], masks[..., :, -1])
    border = sum((edge.square().sum(2) for edge in edges), start=torch.zeros_like(rows))
    side = max(masks.shape[2:])
    return (rows + columns + _BORDER * border).mean() / 2 * _BATCH * _SIDE / side


def find_loss(scores: Tensor, labels: Tensor, masks: Tensor, recipe: AttentionRecipe) -> Tensor:
    """`keep_class · CE + area · mean(m^power) + smooth · TV` (T-TAME, arXiv 2403.04523).

    Args:
        scores: of the masked pictures, `(B, classes)`.
        labels: what the classifier named the pictures before, `(B,)`.
        masks: see `choose_masks`, 0…1.
        recipe: the weights.
    """
    chosen = choose_masks(masks, labels, recipe.others)
    named = functional.cross_entropy(scores, labels)
    area, variation = find_area(chosen, recipe.area_power), find_variation(chosen)
    return recipe.keep_class * named + recipe.area * area + recipe.smooth * variation
