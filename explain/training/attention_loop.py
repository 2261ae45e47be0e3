"""The training of T-TAME's attention on a frozen classifier, and what it is worth at the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from explain.errors import ExplainError
from explain.training.attention_recipe import AttentionRecipe, find_layers, refuse_unfit
from explain.training.checkpoint import Checkpoint, list_state, restore_state
from explain.training.loop import BYTES_IN_MEMORY
from explain.training.outcome import EPOCHS, AttentionOutcome, Preparing, Tell, TrainedMaps

if TYPE_CHECKING:
    from torch import Tensor

    from explain.datasets.dataset import DataSet
    from explain.faithfulness.unlike import Known
    from explain.models.loaded import LoadedModel
    from explain.training.frozen_features import FrozenFeatures

FEWEST = 8
"""Pictures to learn from."""

_SHARE_CHOOSING, _MOST_CHOOSING = 0.1, 200
_MOST_DESCRIBED = 500
"""Pictures learnt from of which it is kept what they look like: more tell little more."""

_SHARE_JUDGING = 0.2  # of the whole, by a guess


def train_attention(
    backbone: LoadedModel,
    dataset: DataSet,
    recipe: AttentionRecipe,
    *,
    checkpoint: Path | None = None,
    tell: Tell = lambda said, share: None,
    should_stop: Callable[[], bool] = lambda: False,
    bytes_in_memory: int = BYTES_IN_MEMORY,
) -> TrainedMaps:
    """Train attention on what a frozen classifier says of pictures, and compare its maps with others'.

    The classes that the pictures are in play no part: each is taken for what the classifier says it is.

    Args:
        backbone: the classifier, on the device to train on; nothing of it is changed.
        dataset: pictures; those to check with judge, a share of the others chooses the epoch.
        recipe: all settings.
        checkpoint: written after each epoch. Where it exists the training goes on from it, and on a CPU ends with the
            same attention to the bit as one that was never stopped. Features too large for memory go beside it.
        tell: see `Tell`.
        should_stop: asked in every step; may take its time, which is how a training is paused.
        bytes_in_memory: for the features.

    Raises:
        Cancelled: `should_stop` said so. The checkpoint stands.
        ModelError: no attention can be trained for this model, or a layer cannot be read.
        ExplainError: there are too few pictures, the checkpoint is of another training, the loss is no number any more,
            or the disk is full.
    """
    import torch

    from explain.training.fit import plain_attention

    refuse_unfit(backbone)
    with torch.inference_mode(False), torch.enable_grad(), plain_attention(backbone.module):
        return _Training(backbone, dataset, recipe, checkpoint, tell, should_stop).run(bytes_in_memory)


def plan_attention(dataset: DataSet) -> tuple[list[int], list[int], list[int]]:
    """Which pictures are learnt from, which choose the epoch, and which judge: indices of examples.

    Raises:
        ExplainError: there are too few.
    """
    by_digest = sorted(range(len(dataset.examples)), key=lambda index: dataset.examples[index].digest)
    train = [index for index in by_digest if dataset.examples[index].split == "train"]
    judge = [index for index in by_digest if dataset.examples[index].split == "val"]
    count = min(round(_SHARE_CHOOSING * len(train)), _MOST_CHOOSING)
    choose, learn = train[:count], train[count:]
    if len(learn) < FEWEST or not judge:
        raise ExplainError(
            f"Of {len(dataset.examples):,} pictures {len(learn):,} are left to learn from, once some are kept back to "
            f"judge it. Give at least {FEWEST + FEWEST // 2}; a thousand or more teach it well."
        )
    return learn, choose, judge


class _Training:
    """The state of one training."""

    def __init__(
        self,
        backbone: LoadedModel,
        dataset: DataSet,
        recipe: AttentionRecipe,
        checkpoint: Path | None,
        tell: Tell,
        should_stop: Callable[[], bool],
    ) -> None:
        from explain.training.attention_fit import AttentionFit, Frozen
        from explain.training.stopwatch import Stopwatch

        self._dataset, self._recipe, self._tell = dataset, recipe, tell
        self._backbone = backbone
        self._learn, self._choose, self._judge = plan_attention(dataset)
        device = next(backbone.module.parameters()).device
        self._frozen = Frozen(backbone, find_layers(recipe, backbone), device)
        self._watch = Stopwatch(should_stop)
        # Features are kept of these alone, in this order.
        count, used = len(self._learn), len(self._learn) + len(self._choose)
        self._fit = AttentionFit(self._frozen, recipe, range(count), range(count, used), self._watch)
        plan = [self._learn, self._choose, self._judge]
        identity = json.dumps([recipe.model_dump(), dataset.fingerprint, backbone.fingerprint, plan])
        self._checkpoint = Checkpoint(checkpoint, identity)
        self._seconds = 0.0

    def run(self, bytes_in_memory: int) -> TrainedMaps:
        from explain.training.frozen_features import FrozenFeatures

        self._restore()
        fit, before, started = self._fit, self._seconds, self._watch.read()
        features = FrozenFeatures(
            self._frozen.read,
            self._frozen.device,
            [self._dataset.examples[index] for index in (*self._learn, *self._choose)],
            range(len(self._learn)) if self._recipe.mirror else (),
            self._backbone.preprocessing,
            self._checkpoint.folder,
            bytes_in_memory,
            not fit.is_over,
            lambda text, share: self._tell(Preparing(text, share), None),
            self._watch.stop_if_asked,
        )
        cached = features.kept or fit.is_over
        try:
            self._tell("Training", self._share)
            while not fit.is_over:
                epoch = fit.advance(features)
                self._seconds = before + self._watch.read() - started
                self._save()
                self._tell(epoch, self._share)
            known = self._describe(features)
        finally:
            features.close()
        return self._finish(cached, known)

    def _describe(self, features: FrozenFeatures) -> Known | None:
        """What the pictures learnt from look like at the layers; None where they are too few to tell."""
        import torch

        from explain.faithfulness.unlike import FEWEST as FEWEST_KNOWN
        from explain.faithfulness.unlike import fit
        from explain.passes.look import find_statistics

        count = min(len(self._learn), _MOST_DESCRIBED)
        if count < FEWEST_KNOWN:
            return None
        found: dict[str, list[Tensor]] = {layer.name: [] for layer in self._frozen.layers}
        for chosen in torch.arange(count).split(self._recipe.batch):
            self._watch.stop_if_asked()
            for kept, maps in zip(found.values(), self._frozen.split(features.take(chosen))[0], strict=True):
                kept.append(find_statistics(maps).cpu())
        statistics = {name: torch.cat(kept).numpy() for name, kept in found.items()}
        return fit(statistics, f"Compared with {count:,} pictures that it learnt from.")

    @property
    def _share(self) -> float:
        return len(self._fit.epochs) / self._recipe.epochs * (1 - _SHARE_JUDGING)

    def _finish(self, cached: bool, known: Known | None) -> TrainedMaps:
        """Take the best epoch's attention and judge it."""
        from explain.training.attention_fit import find_best_epoch
        from explain.training.attention_judging import judge_attention

        fit = self._fit
        fit.take_best()
        judging = [self._dataset.examples[index] for index in self._judge[: self._recipe.judged]]

        def tell(done: int) -> None:
            text = f"Judging it on picture {done} of {len(judging)}"
            self._tell(text, 1 - _SHARE_JUDGING * (1 - done / len(judging)))

        worth = judge_attention(self._frozen, fit.model, judging, self._recipe.hidden, tell, self._watch.stop_if_asked)
        outcome = AttentionOutcome(
            worth=worth,
            best_epoch=find_best_epoch(fit.epochs).number,
            epochs=tuple(fit.epochs),
            pictures=len(self._learn),
            choosing=len(self._choose),
            seconds=self._seconds,
            stopped_early=fit.has_stopped_early,
            features_cached=cached,
        )
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in fit.best.items()}
        return TrainedMaps(tensors, self._frozen.layers, known, outcome)

    def _save(self) -> None:
        fit = self._fit
        self._checkpoint.save(
            {"now": fit.now, "best": fit.best, "optimiser": list_state(fit.optimiser)},
            {"epochs": EPOCHS.dump_json(fit.epochs).decode(), "seconds": repr(self._seconds)},
        )

    def _restore(self) -> None:
        kept = self._checkpoint.read()
        if kept is None:
            return
        kinds, header = kept
        self._fit.restore(kinds["now"], kinds["best"], EPOCHS.validate_json(header["epochs"]))
        restore_state(self._fit.optimiser, kinds["optimiser"])
        self._seconds = float(header["seconds"])
        for epoch in self._fit.epochs:
            self._tell(epoch, epoch.number / self._recipe.epochs * (1 - _SHARE_JUDGING))
