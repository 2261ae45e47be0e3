"""Training class prompts (Prompt-CAM) on a frozen ViT. Importing this does not import torch.

The recipe is the paper's (Chowdhury et al., CVPR 2025, arXiv 2501.09333, section 4.1) made small: only the prompts and
the scoring layer they share are trained, by cross-entropy over the classes, on a cosine schedule with a warm-up.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from explain.errors import Cancelled, ExplainError, ModelError
from explain.methods.base import Settings, setting
from explain.prompt_library import Variant
from explain.storage import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

    from explain.dataset import DataSet
    from explain.models import LoadedModel


BYTES_IN_MEMORY = 1_000_000_000
"""What the features of the frozen blocks may take in memory."""

_LARGE_SET = 5_000
_LEARNING_RATES: dict[Variant, float] = {"last": 0.03, "shallow": 0.01, "deep": 0.01}
_STEEPEST_GRADIENT = 5.0
_PREDICTED_AT_ONCE = 256


class PromptRecipe(Settings):
    """Everything that decides a training, apart from the pictures and the ViT."""

    variant: Variant = setting(
        "last",
        "Where prompts enter",
        "last: at the last block only, by far the quickest to train. shallow: one set at the first block. deep: fresh "
        "prompts at every block, as in the paper.",
    )
    epochs: int = setting(60, "Epochs", "How often every picture is seen.", low=1, high=1000, step=1)
    learning_rate: float = setting(
        0.03, "Learning rate", "Step size at its height, after the warm-up.", low=1e-5, high=1.0, advanced=True
    )
    weight_decay: float = setting(
        1e-4, "Weight decay", "How strongly large weights are pulled to zero.", low=0.0, high=1.0, advanced=True
    )
    batch: int = setting(32, "Batch", "Pictures a step.", unit="pictures", low=1, high=1024, step=1, advanced=True)
    dropout: float = setting(
        0.0,
        "Dropout",
        "Share of the prompts' values left out in each step.",
        low=0.0,
        high=0.9,
        step=0.05,
        advanced=True,
    )
    warm_up: int = setting(
        3, "Warm-up", "Epochs in which the step size rises.", unit="epochs", low=0, high=200, step=1, advanced=True
    )
    patience: int = setting(
        20,
        "Patience",
        "Training ends early after so many epochs without a better one; 0 never ends it early.",
        unit="epochs",
        low=0,
        high=1000,
        step=1,
        advanced=True,
    )
    mirror: bool = setting(
        True, "Mirror", "Show every other picture mirrored. Switch it off where left and right tell classes apart."
    )
    balanced: bool = setting(
        True,
        "Balance classes",
        "Where classes have more or fewer pictures, each class counts the same: a picture's loss is weighted by one "
        "over the number of pictures of its class.",
        advanced=True,
    )
    seed: int = setting(
        0,
        "Seed",
        "Start of all random draws: the same seed gives the same prompts.",
        low=0,
        high=2**31 - 1,
        step=1,
        advanced=True,
    )


def choose_recipe(dataset: DataSet, backbone: LoadedModel) -> PromptRecipe:
    """Settings that suit the size of a data set.

    Prompts enter at the last block only, unless the set is large and the ViT runs on a GPU: on 400 pictures they are as
    good as deep ones (57 % of 10 classes each, on `photo-vit`) for a twenty-fourth of the time, while deep ones need
    the whole ViT forwards and backwards for each picture in each epoch, and learn more only from more pictures.
    """
    pictures = len(dataset.list_split("train"))
    on_gpu = next(backbone.module.parameters()).device.type != "cpu"
    variant: Variant = "deep" if on_gpu and pictures >= _LARGE_SET else "last"
    epochs = min(max(round(1200 / math.sqrt(pictures)), 10), 80)  # 60 for 400 pictures, 10 from 14,400 on
    return PromptRecipe(
        variant=variant,
        epochs=epochs,
        learning_rate=_LEARNING_RATES[variant],
        batch=32 if pictures < 4 * _LARGE_SET else 128,
        warm_up=max(epochs // 12, 1),
        patience=max(epochs // 3, 5),
    )


def change_recipe(recipe: PromptRecipe, changes: Mapping[str, Any]) -> PromptRecipe:
    """A recipe with other settings.

    Raises:
        ExplainError: there is no such setting, or a value is out of its bounds.
    """
    try:
        return PromptRecipe.model_validate({**recipe.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        known = PromptRecipe.model_fields.get(name)
        if known is None:
            raise ExplainError(
                f"There is no setting “{name}” of the training. There are: {', '.join(PromptRecipe.model_fields)}."
            ) from None
        raise ExplainError(f"{known.title} cannot be {first['input']}: {first['msg'].lower()}.") from None


@dataclass(frozen=True)
class Epoch:
    """One pass over the training pictures.

    Attributes:
        number: from 1.
        loss: mean over the training pictures, as they were seen.
        accuracy: of the training pictures, as they were seen, in per cent.
        val_loss: mean over the validation pictures, afterwards.
        val_accuracy: in per cent.
        seconds: taken by all of it.
        pictures_per_second: trained on.
    """

    number: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    pictures_per_second: float


@dataclass(frozen=True)
class Wrong:
    """A validation picture taken for another class.

    Attributes:
        digest: SHA-256 of its bytes.
        name: for display.
        label: its class.
        predicted: what it is taken for.
        probability: of that, 0…1.
    """

    digest: str
    name: str
    label: int
    predicted: int
    probability: float


@dataclass(frozen=True)
class Report:
    """How well the best epoch's prompts do on the validation pictures.

    Attributes:
        accuracy: top-1 in per cent.
        class_accuracy: the same of each class's pictures.
        confusion: number of pictures, by true class, then by predicted class.
        wrong: those taken for another class, the surest mistakes first.
        best_epoch: whose prompts are kept: the highest accuracy, then the lowest loss.
        epochs: all that were run.
        pictures: trained on.
        seconds: taken by the whole training, pauses left out.
        stopped_early: whether patience ran out.
        features_cached: whether what the frozen blocks make of the pictures was computed once and reused.
    """

    accuracy: float
    class_accuracy: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]
    wrong: tuple[Wrong, ...]
    best_epoch: int
    epochs: tuple[Epoch, ...]
    pictures: int
    seconds: float
    stopped_early: bool
    features_cached: bool


@dataclass(frozen=True)
class Trained:
    """Trained prompts: `prompts` `(N or 1, C, D)`, `score.weight` `(1, D)`, `score.bias` `(1,)`, float32 on the CPU."""

    tensors: dict[str, Tensor]
    report: Report


Tell = Callable[[Epoch | str, float | None], None]
"""Told an epoch that is over, or in a sentence what is being done, with the share of the whole done so far, 0…1."""


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

    from explain.promptcam import find_backbone_obstacle

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

        from explain.promptcam import PromptedViT

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
        from explain.frozen_features import FrozenFeatures

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
            "epochs": _EPOCHS.dump_json(self._epochs).decode(),
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
        self._epochs = _EPOCHS.validate_json(header["epochs"])
        self._seconds = float(header["seconds"])
        for epoch in self._epochs:
            self._tell(epoch, epoch.number / self._recipe.epochs)


_EPOCHS = TypeAdapter(list[Epoch])


def find_learning_rate(recipe: PromptRecipe, epoch: float) -> float:
    """The step size after so many epochs: up in a line during the warm-up, then down half a cosine to zero."""
    warm_up = min(recipe.warm_up, recipe.epochs - 1)
    if epoch < warm_up:
        return recipe.learning_rate * (epoch + 0.1) / (warm_up + 0.1)
    share = (epoch - warm_up) / (recipe.epochs - warm_up)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


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
