"""Where Prompt-CAM's class prompts enter a ViT, and what a file of them holds. Importing this does not import torch."""

from __future__ import annotations

from typing import Literal

Variant = Literal["deep", "shallow", "last"]

TENSORS = ("prompts", "score.weight", "score.bias")
"""What every file holds: prompts `(sets, classes, width)` and the scoring layer that all classes share."""
