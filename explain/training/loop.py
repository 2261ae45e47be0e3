"""The training of class prompts on a frozen ViT: prompts that are kept, and others that only say how good they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explain.datasets.groups import count_groups, group_as_told
from explain.errors import ModelError
from explain.training.checkpoint import Checkpoint, list_state, restore_state
from explain.training.folds import plan_training
from explain.training.outcome import EPOCHS, Preparing, Report, Tell, Trained, Wrong
from explain.training.recipe import PromptRecipe

if TYPE_CHECKING:
    from explain.datasets.dataset import DataSet
    from explain.models.loaded import LoadedModel
    from explain.training.fit import Fit
    from explain.training.folds import Part


BYTES_IN_MEMORY = 1_000_000_000
"""What the features of the frozen blocks may take in memory."""


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
    """Train class prompts on a frozen ViT, and judge them by pictures that they did not learn from.

    Args:
        backbone: the ViT, on the device to train on.
        dataset: its pictures; see `plan_training` for what each is used for.
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
    from explain.training.fit import plain_attention

    obstacle = find_backbone_obstacle(backbone.module)
    if obstacle:
        raise ModelError(f"“{backbone.request.name}” cannot be trained. {obstacle}")
    with torch.inference_mode(False), torch.enable_grad(), plain_attention(backbone.module):
        training = _Training(backbone, dataset, recipe, checkpoint, tell, should_stop)
        return training.run(keep_features, bytes_in_memory)


class _Training:
    """The state of one training: the course whose prompts are kept, and what was judged so far."""

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

        from explain.training.fit import Fit, Ground
        from explain.training.stopwatch import Stopwatch

        dataset = group_as_told(dataset, recipe.together)
        self._backbone, self._dataset, self._recipe = backbone, dataset, recipe
        self._tell = tell
        self._plan = plan_training(dataset, recipe)
        self._checkpoint = Checkpoint(checkpoint, self._identity)
        vit: Any = backbone.module
        self._watch = Stopwatch(should_stop)
        labels = torch.tensor([example.label for example in dataset.examples])
        device = next(vit.parameters()).device
        self._ground = Ground(vit, recipe, len(dataset.labels), labels, device, self._watch)
        self._fit = Fit(self._ground, self._plan.parts[0])
        self._judged: list[dict[int, tuple[int, float]]] = []
        """Of each part that judged, by index of the example: what it is taken for, and how surely."""
        self._seconds = 0.0

    def run(self, keep_features: bool, bytes_in_memory: int) -> Trained:
        from explain.training.fit import Fit
        from explain.training.frozen_features import FrozenFeatures

        self._restore()
        before, started = self._seconds, self._watch.read()

        def save() -> None:
            self._seconds = before + self._watch.read() - started
            self._save()

        self._features = FrozenFeatures(
            self._fit.model.precompute,
            self._ground.device,
            self._dataset.examples,
            {index for part in self._plan.parts for index in part.learn} if self._recipe.mirror else set(),
            self._backbone.preprocessing,
            self._checkpoint.folder,
            bytes_in_memory,
            keep_features,
            lambda text, share: self._tell(Preparing(text, share), None),
            self._watch.stop_if_asked,
        )
        try:
            self._tell("Training", self._find_share(self._fit))
            while not self._fit.is_over:
                epoch = self._fit.advance(self._features)
                save()
                self._tell(epoch, self._find_share(self._fit))
            self._fit.take_best()
            for part in self._plan.parts[len(self._judged) :]:
                only_judges = part is not self._plan.parts[0]
                self._judged.append(self._judge(Fit(self._ground, part) if only_judges else self._fit, part))
                save()
            return Trained(
                {name: value.detach().cpu().contiguous() for name, value in self._fit.own.items()}, self._report()
            )
        finally:
            self._features.close()

    def _judge(self, fit: Fit, part: Part) -> dict[int, tuple[int, float]]:
        """Train what is not trained yet, and name the pictures that were left out."""
        while not fit.is_over:
            fit.advance(self._features)
            number = len(self._judged)
            self._tell(f"Judging it: fold {number} of {self._plan.folds}", self._find_share(fit, number))
        if not part.judge:
            return {}
        fit.take_best()
        chances, predicted = fit.predict(part.judge, self._features).softmax(1).max(1)
        return dict(zip(part.judge, zip(predicted.tolist(), chances.tolist(), strict=True), strict=True))

    def _find_share(self, fit: Fit, number: int = 0) -> float:
        """How much of the whole is done when so many courses are over, and this one's epochs."""
        return (number + len(fit.epochs) / self._recipe.epochs) / len(self._plan.parts)

    def _report(self) -> Report:
        import torch

        from explain.training.fit import find_best

        examples, count = self._dataset.examples, len(self._dataset.labels)
        named = {index: guess for judged in self._judged for index, guess in judged.items()}
        confusion = torch.zeros(count, count, dtype=torch.long)
        for index, (predicted, _) in named.items():
            confusion[examples[index].label, predicted] += 1
        totals, hits = confusion.sum(1).tolist(), confusion.diagonal().tolist()
        wrong = [
            Wrong(examples[index].digest, examples[index].name, examples[index].label, guess, chance)
            for index, (guess, chance) in sorted(named.items())
            if guess != examples[index].label
        ]
        judging = [examples[index] for index in named]
        return Report(
            accuracy=100 * sum(hits) / sum(totals),
            class_accuracy=tuple(100 * hit / total for hit, total in zip(hits, totals, strict=True)),
            confusion=tuple(tuple(row) for row in confusion.tolist()),
            wrong=tuple(sorted(wrong, key=lambda entry: -entry.probability)),
            best_epoch=find_best(self._fit.epochs).number,
            epochs=tuple(self._fit.epochs),
            pictures=len(self._plan.parts[0].learn),
            seconds=self._seconds,
            stopped_early=self._fit.has_stopped_early,
            features_cached=self._features.kept,
            manner=self._plan.manner,
            folds=self._plan.folds,
            groups=count_groups(judging),
            choosing=len(self._plan.parts[0].choose),
        )

    @property
    def _identity(self) -> str:
        """What a checkpoint must have been made with."""
        plan = [self._plan.manner, *([part.learn, part.choose, part.judge] for part in self._plan.parts)]
        return json.dumps([self._recipe.model_dump(), self._dataset.fingerprint, self._backbone.fingerprint, plan])

    def _save(self) -> None:
        fit = self._fit
        self._checkpoint.save(
            {"now": fit.own, "best": fit.best, "optimiser": list_state(fit.optimiser)},
            {
                "epochs": EPOCHS.dump_json(fit.epochs).decode(),
                "judged": json.dumps([[[index, *guess] for index, guess in judged.items()] for judged in self._judged]),
                "seconds": repr(self._seconds),
            },
        )

    def _restore(self) -> None:
        kept = self._checkpoint.read()
        if kept is None:
            return
        kinds, header = kept
        self._fit.restore(kinds["now"], kinds["best"], EPOCHS.validate_json(header["epochs"]))
        restore_state(self._fit.optimiser, kinds["optimiser"])
        self._judged = [
            {index: (guess, chance) for index, guess, chance in part} for part in json.loads(header["judged"])
        ]
        self._seconds = float(header["seconds"])
        for epoch in self._fit.epochs:
            self._tell(epoch, epoch.number / self._recipe.epochs / len(self._plan.parts))
