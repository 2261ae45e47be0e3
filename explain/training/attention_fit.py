"""One course of T-TAME's training: attention fitted to a frozen classifier, epoch after epoch, and the best of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from explain.errors import ExplainError
from explain.networks.attention_layers import choose_grid
from explain.networks.meaning import read_answers
from explain.networks.output import first_tensor, read_scores
from explain.networks.trained_attention import TrainedAttention
from explain.training.attention_loss import find_loss, make_reference, mask_pictures, take_own
from explain.training.attention_recipe import AttentionRecipe, find_cycle_rate
from explain.training.outcome import Epoch
from explain.training.stopwatch import Stopwatch, seeded

if TYPE_CHECKING:
    from explain.models.loaded import LoadedModel
    from explain.networks.layer import Layer
    from explain.training.frozen_features import FrozenFeatures

_EXACT = 1024
"""Whole numbers up to twice this survive half precision: an index is kept as two of them."""

_WEIGHT_DECAY = {"adamw": 0.01, "sgd": 5e-4}


@dataclass(frozen=True)
class Frozen:
    """The classifier, in evaluation mode and without gradients, and what is kept of a picture that passed it.

    Attributes:
        loaded: the classifier.
        layers: whose features are read.
        device: where it is.
    """

    loaded: LoadedModel
    layers: tuple[Layer, ...]
    device: torch.device

    def name(self, pictures: Tensor) -> Tensor:
        """The score of each class, `(B, classes)`; differentiable to the pictures."""
        if pictures.device.type == "cpu":  # convolutions are a sixth quicker in this order of memory
            pictures = pictures.contiguous(memory_format=torch.channels_last)
        numbers = read_scores(self.loaded.module(pictures), len(pictures))
        return read_answers(numbers, self.loaded.outputs).float()

    def read(self, pictures: Tensor) -> Tensor:
        """All that a step needs of pictures `(B, C, H, W)`, one row each: features layer after layer, the picture, and
        the index of the class it is named as.
        """
        kept: dict[str, Tensor] = {}
        with ExitStack() as stack:
            for layer in self.layers:

                def keep(_module: nn.Module, _inputs: object, output: object, layer: Layer = layer) -> None:
                    tensor = first_tensor(output)
                    # A copy, because what follows may work on it in place.
                    kept[layer.name] = layer.to_map(tensor).detach().clone()

                handle = self.loaded.module.get_submodule(layer.name).register_forward_hook(keep)
                stack.callback(handle.remove)
            labels = self.name(pictures).argmax(1)
        index = torch.stack([labels // _EXACT, labels % _EXACT], 1)
        rows = [*(kept[layer.name] for layer in self.layers), pictures, index]
        return torch.cat([row.flatten(1).float() for row in rows], 1)

    def split(self, rows: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Features of each layer, pictures and labels, of what `read` made of them."""
        shapes = [(layer.channels, *layer.grid) for layer in self.layers]
        shapes.append((self.loaded.preprocessing.channels, *self.loaded.preprocessing.input_size))
        *parts, index = rows.split([*map(math.prod, shapes), 2], 1)
        *features, pictures = (part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=True))
        high, low = index.round().long().unbind(1)
        return features, pictures, high * _EXACT + low


class AttentionFit:
    """The state of one course: the attention, the optimiser, the best so far and the epochs behind.

    Attributes:
        model: the attention as it is now.
        best: the tensors of the best epoch so far.
        epochs: those that are over. Their `accuracy` is the share of pictures that are named the same when they are
            masked.
    """

    def __init__(
        self, frozen: Frozen, recipe: AttentionRecipe, learn: Sequence[int], choose: Sequence[int], watch: Stopwatch
    ) -> None:
        self._frozen, self._recipe, self._watch = frozen, recipe, watch
        self._learn, self._choose = torch.tensor(learn), torch.tensor(choose, dtype=torch.long)
        layers = frozen.layers
        with seeded(recipe.seed, 0, frozen.device):
            self.model = TrainedAttention(
                [layer.channels for layer in layers], len(frozen.loaded.labels), choose_grid(layers[0].grid)
            ).to(frozen.device)
        self.optimiser = _build_optimiser(self.model, recipe)
        self.best = self._copy()
        self.epochs: list[Epoch] = []

    @property
    def now(self) -> dict[str, Tensor]:
        """Every tensor of the attention, statistics of the norms included."""
        return dict(self.model.state_dict())

    @property
    def is_over(self) -> bool:
        """Whether there is no further epoch."""
        return len(self.epochs) >= self._recipe.epochs or self.has_stopped_early

    @property
    def has_stopped_early(self) -> bool:
        """Whether patience ran out."""
        patience = self._recipe.patience
        return bool(
            patience and self.epochs and self.epochs[-1].number - find_best_epoch(self.epochs).number >= patience
        )

    def advance(self, features: FrozenFeatures) -> Epoch:
        """Run an epoch, and keep its attention where it is the best so far."""
        epoch = self._run_epoch(len(self.epochs), features)
        self.epochs.append(epoch)
        if find_best_epoch(self.epochs) == epoch:
            self.best = self._copy()
        return epoch

    def take_best(self) -> None:
        """Go back to the best epoch's attention."""
        self.model.load_state_dict(self.best)
        self.model.eval()

    def restore(self, now: Mapping[str, Tensor], best: Mapping[str, Tensor], epochs: Sequence[Epoch]) -> None:
        """Be where another course of the same kind was; its optimiser's state is restored beside this."""
        self.model.load_state_dict(dict(now))
        self.best = {name: tensor.to(self._frozen.device) for name, tensor in best.items()}
        self.epochs = [*epochs]

    def _copy(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.now.items()}

    def _run_epoch(self, number: int, features: FrozenFeatures) -> Epoch:
        """One pass over the training pictures, in an order and with flips that follow from the seed and its number."""
        recipe, watch = self._recipe, self._watch
        started, count = watch.read(), len(self._learn)
        steps = math.ceil(count / recipe.batch)
        total, same = 0.0, 0
        self.model.train()
        with seeded(recipe.seed, number + 1, self._frozen.device):
            order = torch.randperm(count)
            mirrored = (torch.rand(count) < 0.5) & recipe.mirror
            for step, chosen in enumerate(order.split(recipe.batch)):
                watch.stop_if_asked()
                rate = find_cycle_rate(recipe, (number + step / steps) / recipe.epochs)
                for group in self.optimiser.param_groups:
                    group["lr"] = rate
                loss, kept = self._try(features.take(self._learn[chosen], mirrored[chosen]))
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
                total += float(loss.detach()) * len(chosen)
                same += kept
        trained = watch.read()
        val_loss, val_accuracy = self._check(features)
        return Epoch(
            number=number + 1,
            loss=total / count,
            accuracy=100 * same / count,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=watch.read() - started,
            pictures_per_second=count / (trained - started),
        )

    def _try(self, rows: Tensor) -> tuple[Tensor, int]:
        """The loss on some pictures, and how many are named the same when they are masked."""
        given, pictures, labels = self._frozen.split(rows)
        masks = self.model(given).sigmoid()
        self._refuse_lost(masks)  # before the classifier is shown what is no picture
        reference = make_reference(pictures, self._recipe.hidden, self._frozen.loaded.preprocessing)
        scores = self._frozen.name(mask_pictures(pictures, take_own(masks, labels), reference))
        loss = find_loss(scores, labels, masks, self._recipe)
        self._refuse_lost(loss)
        return loss, int((scores.argmax(1) == labels).sum())

    def _refuse_lost(self, values: Tensor) -> None:
        if not bool(torch.isfinite(values).all()):
            raise ExplainError(
                f"The training went wrong in epoch {len(self.epochs) + 1}: its loss is no number any more. Start again "
                f"with a learning rate below {self._recipe.learning_rate:g}."
            )

    def _check(self, features: FrozenFeatures) -> tuple[float | None, float | None]:
        """Loss, and share named the same in per cent, of the pictures that choose the epoch."""
        if not len(self._choose):
            return None, None
        self.model.eval()
        total, same = 0.0, 0
        with torch.no_grad():
            for chosen in self._choose.split(self._recipe.batch):
                self._watch.stop_if_asked()
                loss, kept = self._try(features.take(chosen))
                total += float(loss) * len(chosen)
                same += kept
        return total / len(self._choose), 100 * same / len(self._choose)


def find_best_epoch(epochs: Sequence[Epoch]) -> Epoch:
    """The epoch whose attention is kept: the lowest loss on the pictures that choose; the last, where none do."""
    return epochs[-1] if epochs[-1].val_loss is None else min(epochs, key=lambda epoch: epoch.val_loss or 0.0)


def _build_optimiser(model: nn.Module, recipe: AttentionRecipe) -> torch.optim.Optimizer:
    """Weights decay, biases and the norms' scales do not."""
    weights = [value for value in model.parameters() if value.ndim > 1]
    rest = [value for value in model.parameters() if value.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": _WEIGHT_DECAY[recipe.optimiser]},
        {"params": rest, "weight_decay": 0.0},
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, recipe.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, recipe.learning_rate)
