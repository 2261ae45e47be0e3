"""The training of class prompts on a frozen ViT, epoch after epoch."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explain.errors import Cancelled, ExplainError, ModelError
from explain.storage import write_atomically
from explain.training.outcome import EPOCHS, Epoch, Report, Tell, Trained, Wrong
from explain.training.recipe import PromptRecipe, find_learning_rate

if TYPE_CHECKING:
    from torch import Tensor

    from explain.datasets.dataset import DataSet
    from explain.models.loaded import LoadedModel


BYTES_IN_MEMORY = 1_000_000_000
"""What the features of the frozen blocks may take in memory."""

_STEEPEST_GRADIENT = 5.0
_PREDICTED_AT_ONCE = 256


def train_prompts(
    backbone: LoadedModel,
    dataset: DataSet,
    recipe: PromptRecipe,
    *,
    checkpoint: Path | None = None,
    tell: Tell = lambda said, share: None,
    should_stop: Callable[[], bool] = lambda: False,
    keep_features: bool = True,
    bytes_in_memory: int = BYTES_IN_MEMORY,
) -> Trained:
    """Train class prompts on a frozen ViT.

    Args:
        backbone: the ViT, on the device to train on.
        dataset: its `train` and `val` pictures.
        recipe: all settings.
        checkpoint: written after each epoch. Where it exists the training goes on from it, and on a CPU ends with the
            same prompts to the bit as one that was never stopped. Features too large for memory go beside it.
        tell: see `Tell`.
        should_stop: asked in every step; may take its time, which is how a training is paused.
        keep_features: False runs the frozen blocks anew for each batch, as training without this trick would.
        bytes_in_memory: for the features of the frozen blocks.

    Raises:
        Cancelled: `should_stop` said so. The checkpoint stands.
        ModelError: prompts cannot be put on this backbone.
        ExplainError: the checkpoint is of another training, the loss is no number any more, or the disk is full.
    """
    import torch

    from explain.networks.prompted_vit import find_backbone_obstacle

    obstacle = find_backbone_obstacle(backbone.module)
    if obstacle:
        raise ModelError(f"“{backbone.request.name}” cannot be trained. {obstacle}")
    with torch.inference_mode(False), torch.enable_grad(), _plain_attention(backbone.module):
        training = _Training(backbone, dataset, recipe, checkpoint, tell, should_stop)
        return training.run(keep_features, bytes_in_memory)


class _Training:
    """The state of one training: the prompts, the optimiser, the best prompts so far and the epochs behind."""

    def __init__(
        self,
        backbone: LoadedModel,
        dataset: DataSet,
        recipe: PromptRecipe,
        checkpoint: Path | None,
        tell: Tell,
        should_stop: Callable[[], bool],
    ) -> None:
        import torch
        from torch import nn

        from explain.networks.prompted_vit import PromptedViT

        self._backbone, self._dataset, self._recipe = backbone, dataset, recipe
        self._checkpoint, self._tell, self._should_stop = checkpoint, tell, should_stop
        self._train, self._val = dataset.list_split("train"), dataset.list_split("val")
        classes = set(range(len(dataset.labels)))
        if any({example.label for example in split} != classes for split in (self._train, self._val)):
            raise ExplainError("A class has no picture to train on, or none to check with. Give at least two of each.")
        vit: Any = backbone.module
        device = next(vit.parameters()).device
        self._device = device
        with self._seeded(0):
            self._model = PromptedViT(vit, len(dataset.labels), recipe.variant, recipe.dropout).to(device)
        self._labels = torch.tensor([example.label for example in self._train])
        self._val_labels = torch.tensor([example.label for example in self._val])
        self._weights = _weigh_classes(self._labels, len(dataset.labels), recipe.balanced).to(device)
        self._own = {name: value for name, value in self._model.named_parameters() if value.requires_grad}
        # The bias is added to all scores alike, so no softmax knows it: its gradient is rounding noise.
        nn.init.zeros_(self._model.score.bias)
        self._optimiser = torch.optim.AdamW(
            [self._model.prompts, self._model.score.weight], recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self._best = {name: value.detach().clone() for name, value in self._own.items()}
        self._epochs: list[Epoch] = []
        self._seconds = 0.0
        self._idle = 0.0

    def run(self, keep_features: bool, bytes_in_memory: int) -> Trained:
        from explain.training.frozen_features import FrozenFeatures

        self._restore()
        before, started = self._seconds, self._clock()
        self._features = FrozenFeatures(
            self._model,
            [*self._train, *self._val],
            len(self._train) if self._recipe.mirror else 0,
            self._backbone.preprocessing,
            self._checkpoint.parent if self._checkpoint else None,
            bytes_in_memory,
            keep_features,
            lambda text, share: self._tell(text, None),
            self._stop_if_asked,
        )
        try:
            self._tell("Training", len(self._epochs) / self._recipe.epochs)
            while not self._is_over():
                epoch = self._run_epoch(len(self._epochs))
                self._epochs.append(epoch)
                if _find_best(self._epochs) == epoch:
                    self._best = {name: value.detach().clone() for name, value in self._own.items()}
                self._seconds = before + self._clock() - started
                self._save()
                self._tell(epoch, len(self._epochs) / self._recipe.epochs)
            return Trained(
                {name: value.detach().cpu().contiguous() for name, value in self._best.items()}, self._report()
            )
        finally:
            self._features.close()

    def _is_over(self) -> bool:
        return len(self._epochs) >= self._recipe.epochs or self._has_stopped_early()

    def _has_stopped_early(self) -> bool:
        patience = self._recipe.patience
        return bool(patience and self._epochs and self._epochs[-1].number - _find_best(self._epochs).number >= patience)

    def _run_epoch(self, index: int) -> Epoch:
        """One pass over the training pictures, in an order and with flips that follow from the seed and its number."""
        import torch
        from torch import nn
        from torch.nn import functional

        recipe, started = self._recipe, self._clock()
        count = len(self._labels)
        steps = math.ceil(count / recipe.batch)
        total, right = 0.0, 0
        self._model.train()
        with self._seeded(index + 1):
            order = torch.randperm(count)
            mirrored = (torch.rand(count) < 0.5) & recipe.mirror
            for step, chosen in enumerate(order.split(recipe.batch)):
                self._stop_if_asked()
                rate = find_learning_rate(recipe, index + step / steps)
                for group in self._optimiser.param_groups:
                    group["lr"] = rate
                labels = self._labels[chosen].to(self._device)
                scores = self._model.finish(self._features.take(chosen, mirrored[chosen])).float()
                losses = functional.cross_entropy(scores, labels, reduction="none")
                loss = (losses * self._weights[labels]).mean()
                self._optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self._own.values(), _STEEPEST_GRADIENT)
                self._optimiser.step()
                total += float(losses.detach().sum())
                right += int((scores.argmax(1) == labels).sum())
        trained = self._clock()
        scores = self._predict()
        val_loss = float(functional.cross_entropy(scores, self._val_labels))
        if not math.isfinite(total + val_loss):
            raise ExplainError(
                f"The training went wrong in epoch {index + 1}: its loss is no number any more. Start again with a "
                f"learning rate below {recipe.learning_rate:g}."
            )
        return Epoch(
            number=index + 1,
            loss=total / count,
            accuracy=100 * right / count,
            val_loss=val_loss,
            val_accuracy=100 * int((scores.argmax(1) == self._val_labels).sum()) / len(scores),
            seconds=self._clock() - started,
            pictures_per_second=count / (trained - started),
        )

    def _predict(self) -> Tensor:
        """Scores of the validation pictures `(N, C)` by the prompts as they are now."""
        import torch

        self._model.eval()
        indices = torch.arange(len(self._train), len(self._train) + len(self._val))
        parts = []
        with torch.no_grad():
            for chosen in indices.split(_PREDICTED_AT_ONCE):
                self._stop_if_asked()
                parts.append(self._model.finish(self._features.take(chosen)).float().cpu())
        return torch.cat(parts)

    def _report(self) -> Report:
        import torch

        with torch.no_grad():
            for name, value in self._own.items():
                value.copy_(self._best[name])
        chances, predicted = self._predict().softmax(1).max(1)
        count = len(self._dataset.labels)
        confusion = torch.zeros(count, count, dtype=torch.long)
        confusion.index_put_((self._val_labels, predicted), torch.ones(len(predicted), dtype=torch.long), True)
        totals, hits = confusion.sum(1).tolist(), confusion.diagonal().tolist()
        wrong = [
            Wrong(example.digest, example.name, example.label, guess, chance)
            for example, guess, chance in zip(self._val, predicted.tolist(), chances.tolist(), strict=True)
            if guess != example.label
        ]
        return Report(
            accuracy=100 * sum(hits) / sum(totals),
            class_accuracy=tuple(100 * hit / total for hit, total in zip(hits, totals, strict=True)),
            confusion=tuple(tuple(row) for row in confusion.tolist()),
            wrong=tuple(sorted(wrong, key=lambda entry: -entry.probability)),
            best_epoch=_find_best(self._epochs).number,
            epochs=tuple(self._epochs),
            pictures=len(self._train),
            seconds=self._seconds,
            stopped_early=self._has_stopped_early(),
            features_cached=self._features.kept,
        )

    def _stop_if_asked(self) -> None:
        asked = time.perf_counter()
        stop = self._should_stop()
        self._idle += time.perf_counter() - asked
        if stop:
            raise Cancelled("The training was stopped.")

    def _clock(self) -> float:
        """Seconds, without those in which the training was paused."""
        return time.perf_counter() - self._idle

    @contextmanager
    def _seeded(self, number: int) -> Iterator[None]:
        """Random draws that follow from the recipe's seed and a number; those of others go on undisturbed."""
        import torch

        with torch.random.fork_rng([self._device] if self._device.type == "cuda" else []):
            torch.manual_seed(self._recipe.seed * 2000 + number)
            yield

    @property
    def _identity(self) -> str:
        """What a checkpoint must have been made with."""
        return json.dumps([self._recipe.model_dump(), self._dataset.fingerprint, self._backbone.fingerprint])

    def _save(self) -> None:
        """Everything that the next epoch depends on, in one file: there is never a half of it."""
        if self._checkpoint is None:
            return
        import safetensors.torch

        tensors = {
            **{f"now.{name}": value.detach() for name, value in self._own.items()},
            **{f"best.{name}": value for name, value in self._best.items()},
            **{
                f"optimiser.{index}.{name}": value
                for index, kept in self._optimiser.state_dict()["state"].items()
                for name, value in kept.items()
            },
        }
        header = {
            "of": self._identity,
            "epochs": EPOCHS.dump_json(self._epochs).decode(),
            "seconds": repr(self._seconds),
        }
        tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
        write_atomically(self._checkpoint, safetensors.torch.save(tensors, header))

    def _restore(self) -> None:
        if self._checkpoint is None or not self._checkpoint.exists():
            return
        import torch
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._checkpoint, "pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        except (SafetensorError, OSError) as error:
            raise ExplainError(f"The unfinished training cannot be read. Start it anew. ({error})") from None
        if header.get("of") != self._identity:
            raise ExplainError(
                "The unfinished training was on other pictures, another ViT or other settings. Start it anew."
            )
        with torch.no_grad():
            for name, value in self._own.items():
                value.copy_(tensors[f"now.{name}"])
                self._best[name] = tensors[f"best.{name}"].to(self._device)
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            kind, _, rest = key.partition(".")
            if kind == "optimiser":
                index, _, name = rest.partition(".")
                state.setdefault(int(index), {})[name] = tensor
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": state})
        self._epochs = EPOCHS.validate_json(header["epochs"])
        self._seconds = float(header["seconds"])
        for epoch in self._epochs:
            self._tell(epoch, epoch.number / self._recipe.epochs)


def _find_best(epochs: list[Epoch]) -> Epoch:
    return max(epochs, key=lambda epoch: (epoch.val_accuracy, -epoch.val_loss))


def _weigh_classes(labels: Tensor, count: int, balanced: bool) -> Tensor:
    """What a picture of each class counts in the loss, `(count,)`: 1 on average over the pictures."""
    import torch

    if not balanced:
        return torch.ones(count)
    pictures = torch.bincount(labels, minlength=count)
    return len(labels) / (pictures.clamp(min=1) * (pictures > 0).sum())


@contextmanager
def _plain_attention(vit: Any) -> Iterator[None]:
    """On a CPU attention as three matrix products: torch's fused one takes twice the time on few tokens."""
    on_cpu = next(vit.parameters()).device.type == "cpu"
    layers = [block.attn for block in vit.blocks if on_cpu and getattr(block.attn, "fused_attn", False)]
    for layer in layers:
        layer.fused_attn = False
    try:
        yield
    finally:
        for layer in layers:
            layer.fused_attn = True
