"""One course of a training: prompts fitted to some pictures, epoch after epoch, and the best of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from explain.errors import ExplainError
from explain.networks.prompted_vit import PromptedViT
from explain.training.outcome import Epoch
from explain.training.recipe import PromptRecipe, find_learning_rate
from explain.training.stopwatch import Stopwatch, seeded

if TYPE_CHECKING:
    from explain.training.folds import Part
    from explain.training.frozen_features import FrozenFeatures

_STEEPEST_GRADIENT = 5.0
_PREDICTED_AT_ONCE = 256


@dataclass(frozen=True)
class Ground:
    """What the courses of a training share.

    Attributes:
        vit: the frozen network.
        recipe: all settings.
        classes: how many.
        labels: `(N,)`, of all examples.
        device: where the network is.
        watch: see `Stopwatch`.
    """

    vit: Any
    recipe: PromptRecipe
    classes: int
    labels: Tensor
    device: torch.device
    watch: Stopwatch

    def seeded(self, number: int) -> AbstractContextManager[None]:
        """Random draws that follow from the recipe's seed and a number."""
        return seeded(self.recipe.seed, number, self.device)


class Fit:
    """The state of one course: the prompts, the optimiser, the best prompts so far and the epochs behind.

    Attributes:
        model: the ViT with the prompts as they are now.
        best: the prompts of the best epoch so far.
        epochs: those that are over.
    """

    def __init__(self, ground: Ground, part: Part) -> None:
        self._ground, self._part = ground, part
        recipe = ground.recipe
        with ground.seeded(0):
            self.model = PromptedViT(ground.vit, ground.classes, recipe.variant, recipe.dropout).to(ground.device)
        self._learn = torch.tensor(part.learn)
        self._labels = ground.labels[self._learn]
        self._weights = weigh_classes(self._labels, ground.classes, recipe.balanced).to(ground.device)
        self.own = {name: value for name, value in self.model.named_parameters() if value.requires_grad}
        # The bias is added to all scores alike, so no softmax knows it: its gradient is rounding noise.
        nn.init.zeros_(self.model.score.bias)
        self.optimiser = torch.optim.AdamW(
            [self.model.prompts, self.model.score.weight], recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.best = {name: value.detach().clone() for name, value in self.own.items()}
        self.epochs: list[Epoch] = []

    @property
    def is_over(self) -> bool:
        """Whether there is no further epoch."""
        return len(self.epochs) >= self._ground.recipe.epochs or self.has_stopped_early

    @property
    def has_stopped_early(self) -> bool:
        """Whether patience ran out."""
        patience = self._ground.recipe.patience
        return bool(patience and self.epochs and self.epochs[-1].number - find_best(self.epochs).number >= patience)

    def advance(self, features: FrozenFeatures) -> Epoch:
        """Run an epoch, and keep its prompts where they are the best so far."""
        epoch = self._run_epoch(len(self.epochs), features)
        self.epochs.append(epoch)
        if find_best(self.epochs) == epoch:
            self.best = {name: value.detach().clone() for name, value in self.own.items()}
        return epoch

    def take_best(self) -> None:
        """Go back to the best epoch's prompts."""
        self._set(self.best)

    def restore(self, now: Mapping[str, Tensor], best: Mapping[str, Tensor], epochs: Sequence[Epoch]) -> None:
        """Be where another course of the same kind was; its optimiser's state is restored beside this."""
        self._set(now)
        self.best = {name: best[name].to(self._ground.device) for name in self.own}
        self.epochs = [*epochs]

    def predict(self, indices: Sequence[int], features: FrozenFeatures) -> Tensor:
        """Scores of examples `(N, C)`, on the CPU, by the prompts as they are now."""
        self.model.eval()
        parts = []
        with torch.no_grad():
            for chosen in torch.tensor(indices).split(_PREDICTED_AT_ONCE):
                self._ground.watch.stop_if_asked()
                parts.append(self.model.finish(features.take(chosen)).float().cpu())
        return torch.cat(parts)

    def _set(self, values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self.own.items():
                value.copy_(values[name])

    def _run_epoch(self, index: int, features: FrozenFeatures) -> Epoch:
        """One pass over the training pictures, in an order and with flips that follow from the seed and its number."""
        recipe, watch, device = self._ground.recipe, self._ground.watch, self._ground.device
        started = watch.read()
        count = len(self._labels)
        steps = math.ceil(count / recipe.batch)
        total, right = 0.0, 0
        self.model.train()
        with self._ground.seeded(index + 1):
            order = torch.randperm(count)
            mirrored = (torch.rand(count) < 0.5) & recipe.mirror
            for step, chosen in enumerate(order.split(recipe.batch)):
                watch.stop_if_asked()
                rate = find_learning_rate(recipe, index + step / steps)
                for group in self.optimiser.param_groups:
                    group["lr"] = rate
                labels = self._labels[chosen].to(device)
                scores = self.model.finish(features.take(self._learn[chosen], mirrored[chosen])).float()
                losses = functional.cross_entropy(scores, labels, reduction="none")
                loss = (losses * self._weights[labels]).mean()
                self.optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.own.values(), _STEEPEST_GRADIENT)
                self.optimiser.step()
                total += float(losses.detach().sum())
                right += int((scores.argmax(1) == labels).sum())
        trained = watch.read()
        val_loss, val_accuracy = self._check(features)
        if not math.isfinite(total + (val_loss or 0.0)):
            raise ExplainError(
                f"The training went wrong in epoch {index + 1}: its loss is no number any more. Start again with a "
                f"learning rate below {recipe.learning_rate:g}."
            )
        return Epoch(
            number=index + 1,
            loss=total / count,
            accuracy=100 * right / count,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=watch.read() - started,
            pictures_per_second=count / (trained - started),
        )

    def _check(self, features: FrozenFeatures) -> tuple[float | None, float | None]:
        """Loss, and share right in per cent, of the pictures that choose the epoch."""
        if not self._part.choose:
            return None, None
        labels = self._ground.labels[torch.tensor(self._part.choose)]
        scores = self.predict(self._part.choose, features)
        loss = float(functional.cross_entropy(scores, labels))
        return loss, 100 * int((scores.argmax(1) == labels).sum()) / len(scores)


def find_best(epochs: Sequence[Epoch]) -> Epoch:
    """The epoch whose prompts are kept; the last, where no pictures choose."""
    if epochs[-1].val_accuracy is None:
        return epochs[-1]
    return max(epochs, key=lambda epoch: (epoch.val_accuracy or 0.0, -(epoch.val_loss or 0.0)))


def weigh_classes(labels: Tensor, count: int, balanced: bool) -> Tensor:
    """What a picture of each class counts in the loss, `(count,)`: 1 on average over the pictures."""
    if not balanced:
        return torch.ones(count)
    pictures = torch.bincount(labels, minlength=count)
    return len(labels) / (pictures.clamp(min=1) * (pictures > 0).sum())


@contextmanager
def plain_attention(network: nn.Module) -> Iterator[None]:
    """On a CPU attention as three matrix products: torch's fused one takes twice the time on few tokens."""
    on_cpu = next(network.parameters()).device.type == "cpu"
    layers: list[Any] = [part for part in network.modules() if on_cpu and getattr(part, "fused_attn", False)]
    for layer in layers:
        layer.fused_attn = False
    try:
        yield
    finally:
        for layer in layers:
            layer.fused_attn = True
