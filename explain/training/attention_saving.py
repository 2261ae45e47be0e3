"""Keeping trained attention, and the whole of its training in this process."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from explain.models.attention_library import LIBRARY, AttentionCard, complete_card, save_attention
from explain.networks.attention_layers import choose_grid
from explain.training.attention_loop import train_attention
from explain.training.outcome import Tell, TrainedMaps
from explain.training.saving import training_here

if TYPE_CHECKING:
    from explain.datasets.dataset import DataSet
    from explain.models.loaded import LoadedModel
    from explain.training.attention_recipe import AttentionRecipe


def train_and_save_attention(
    name: str, backbone: LoadedModel, dataset: DataSet, recipe: AttentionRecipe, resume: bool, tell: Tell
) -> tuple[AttentionCard, TrainedMaps]:
    """The whole of a training in this process, for the command line.

    Stopped at any moment, it goes on from its last epoch when called again with `resume` and the same arguments.

    Args:
        name: made a plain word, with a number behind it where it is taken.
        backbone: the classifier.
        dataset: the pictures.
        recipe: settings.
        resume: go on with the training that was stopped.
        tell: see `train_attention`.

    Raises:
        ExplainError: nothing was stopped that could be resumed, or as `train_attention`.
    """
    identity = ["attention", name, backbone.fingerprint, dataset.fingerprint, recipe.model_dump()]
    with training_here(identity, resume) as checkpoint:
        trained = train_attention(backbone, dataset, recipe, checkpoint=checkpoint, tell=tell)
        return save_trained_attention(name, backbone, recipe, trained), trained


def save_trained_attention(
    name: str, backbone: LoadedModel, recipe: AttentionRecipe, trained: TrainedMaps
) -> AttentionCard:
    """Keep trained attention in the library, under a free name like the one given.

    Raises:
        StorageError: the disk is full.
    """
    free = LIBRARY.suggest_name(name)
    return save_attention(free, trained.list_tensors(), describe_attention(free, backbone, recipe, trained))


def describe_attention(
    name: str, backbone: LoadedModel, recipe: AttentionRecipe, trained: TrainedMaps
) -> AttentionCard:
    """The card of trained attention, complete.

    Args:
        name: lower-case letters, digits and hyphens.
        backbone: what it was trained for.
        recipe: how.
        trained: what came of it.
    """
    card = AttentionCard(
        name=name,
        backbone=backbone.request,
        backbone_fingerprint=backbone.fingerprint,
        layers=tuple(layer.name for layer in trained.layers),
        channels=tuple(layer.channels for layer in trained.layers),
        grid=choose_grid(trained.layers[0].grid),
        classes=backbone.labels,
        recipe=recipe.model_dump(),
        report=trained.outcome.worth,
        pictures=trained.outcome.pictures,
        created=datetime.now(UTC),
    )
    return complete_card(name, trained.list_tensors(), card)
