"""What both commands that train do with their flags."""

from __future__ import annotations

import sys
from typing import Any

from explain.commands.flags import CHECKPOINT, keep_recipe, read_model
from explain.datasets.dataset import DataSet
from explain.engine.engine import Engine
from explain.models.loaded import LoadedModel


def say_left_out(dataset: DataSet) -> None:
    """A line for each file that is no picture of the set."""
    for skipped in dataset.skipped:
        print(f"left out: {skipped.name}: {skipped.reason}", file=sys.stderr)


def load_to_train(model: str, flags: dict[str, Any]) -> tuple[LoadedModel, bytes | None, dict[str, Any]]:
    """The network to train for, the bytes of its file where it is one, and the settings that were given.

    Args:
        model: as for `show --model`.
        flags: those of a checkpoint and of the training.

    Raises:
        ExplainError: it cannot be loaded.
    """
    checkpoint = {flag.name: flags[flag.name] for flag in CHECKPOINT}
    request, weights, _ = read_model(model, **checkpoint)
    loaded = Engine().load(request, weights)
    keep_recipe(loaded, **checkpoint)
    return loaded, weights, {name: flags[name] for name in flags if name not in checkpoint and flags[name] is not None}
