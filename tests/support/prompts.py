"""Prompts of somebody's own, as a training would have left them."""

from __future__ import annotations

from datetime import UTC, datetime

import torch

from explain.models.loaded import LoadedModel
from explain.models.prompt_library import PromptCard, save_prompts


def keep_prompts(name: str, classes: tuple[str, str], backbone: LoadedModel) -> None:
    """Put prompts that were never trained into the library.

    Args:
        name: of the prompts.
        classes: that they tell apart.
        backbone: the network they are for, of 128 channels.
    """
    tensors = {"prompts": torch.randn(1, 2, 128), "score.weight": torch.randn(1, 128), "score.bias": torch.zeros(1)}
    card = PromptCard(
        name=name,
        classes=classes,
        backbone=backbone.request,
        backbone_fingerprint=backbone.fingerprint,
        variant="last",
        recipe={},
        accuracy=90,
        class_accuracy=(80, 100),
        pictures=20,
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )
    save_prompts(name, tensors, card)
