"""Keeping what a training made, and the whole of one in this process."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explain.errors import ExplainError
from explain.models.prompt_library import PromptCard, save_prompts, suggest_name
from explain.storage import data_folder, make_folder
from explain.training.checkpoint import CHECKPOINT
from explain.training.loop import train_prompts
from explain.training.outcome import Report, Tell, Trained
from explain.training.recipe import PromptRecipe

if TYPE_CHECKING:
    from explain.datasets.dataset import DataSet
    from explain.models.loaded import LoadedModel


def train_and_save(
    name: str,
    backbone: LoadedModel,
    dataset: DataSet,
    recipe: PromptRecipe,
    weights: bytes | None,
    resume: bool,
    tell: Tell,
) -> tuple[str, Report]:
    """The whole of a training in this process, for the command line.

    Stopped at any moment, it goes on from its last epoch when called again with `resume` and the same arguments.

    Args:
        name: see `save_trained`.
        backbone: the ViT.
        dataset: the pictures.
        recipe: settings.
        weights: see `save_trained`.
        resume: go on with the training that was stopped.
        tell: see `train_prompts`.

    Returns:
        The name the prompts are kept under, and the report.

    Raises:
        ExplainError: nothing was stopped that could be resumed, or as `train_prompts`.
    """
    with training_here([name, backbone.fingerprint, dataset.fingerprint, recipe.model_dump()], resume) as checkpoint:
        trained = train_prompts(backbone, dataset, recipe, checkpoint=checkpoint, tell=tell)
        kept = save_trained(name, backbone, dataset, recipe, trained, weights)
    return kept.name, trained.report


@contextmanager
def training_here(identity: list[Any], resume: bool) -> Iterator[Path]:
    """Where the checkpoint of a training in this process goes. It stays where the training is stopped.

    Args:
        identity: all that tells it from other trainings.
        resume: go on with the one that was stopped.

    Raises:
        ExplainError: nothing was stopped that could be resumed.
    """
    folder = data_folder() / "runs" / f"here-{hashlib.sha256(json.dumps(identity).encode()).hexdigest()}"
    if resume and not (folder / CHECKPOINT).exists():
        raise ExplainError(
            "There is no unfinished training with this name, these pictures and these settings. Leave out --resume."
        )
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    yield folder / CHECKPOINT
    shutil.rmtree(folder, ignore_errors=True)


def save_trained(
    name: str,
    backbone: LoadedModel,
    dataset: DataSet,
    recipe: PromptRecipe,
    trained: Trained,
    weights: bytes | None = None,
) -> PromptCard:
    """Keep trained prompts in the library.

    Args:
        name: what to call them; made a plain word, with a number behind it where it is taken.
        backbone: what they were trained on.
        dataset: what they were trained with.
        recipe: how.
        trained: what came of it.
        weights: the checkpoint's bytes, for a backbone from a file.

    Returns:
        Their card, with the name they are kept under.

    Raises:
        ExplainError: the disk is full.
    """
    free = suggest_name(name)
    card = PromptCard(
        name=free,
        classes=dataset.labels,
        backbone=backbone.request,
        backbone_fingerprint=backbone.fingerprint,
        variant=recipe.variant,
        recipe=recipe.model_dump(),
        accuracy=trained.report.accuracy,
        class_accuracy=trained.report.class_accuracy,
        judged=trained.report.judged,
        pictures=len(dataset.examples),
        created=datetime.now(UTC),
    )
    return save_prompts(free, trained.tensors, card, weights)
