"""What a training says while it runs, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from explain.faithfulness.unlike import pack_known
from explain.models.attention_library import KNOWN
from explain.models.attention_report import AttentionReport
from explain.models.judged import Judged, Manner

if TYPE_CHECKING:
    from torch import Tensor

    from explain.faithfulness.unlike import Known
    from explain.networks.layer import Layer


@dataclass(frozen=True)
class Epoch:
    """One pass over the training pictures.

    Attributes:
        number: from 1.
        loss: mean over the training pictures, as they were seen.
        accuracy: of the training pictures, as they were seen, in per cent.
        val_loss: mean over the pictures that choose the epoch, afterwards; None where there are none.
        val_accuracy: in per cent.
        seconds: taken by all of it.
        pictures_per_second: trained on.
    """

    number: int
    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    seconds: float
    pictures_per_second: float


@dataclass(frozen=True)
class Wrong:
    """A picture that was not learnt from, taken for another class.

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
    """How well pictures are named that were not learnt from, and how the prompts that are kept came about.

    Attributes:
        accuracy: top-1 in per cent, over all pictures that were judged.
        class_accuracy: the same of each class's pictures.
        confusion: number of pictures, by true class, then by predicted class.
        wrong: those taken for another class, the surest mistakes first.
        best_epoch: whose prompts are kept: the highest accuracy, then the lowest loss on the pictures that choose.
        epochs: all that were run to make these prompts.
        pictures: trained on.
        seconds: taken by the whole training, pauses left out.
        stopped_early: whether patience ran out.
        features_cached: whether what the frozen blocks make of the pictures was computed once and reused.
        manner, folds, groups: how the judged pictures were kept apart, see `Judged`. Reports from before this was
            counted leave them out: there the pictures that judged had chosen the epoch.
        choosing: how many pictures chose the epoch.
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
    manner: Manner = "chosen"
    folds: int = 0
    groups: int | None = None
    choosing: int = 0

    @property
    def judged(self) -> Judged:
        """The same in counts."""
        return Judged(
            right=tuple(row[label] for label, row in enumerate(self.confusion)),
            pictures=tuple(sum(row) for row in self.confusion),
            manner=self.manner,
            folds=self.folds,
            groups=self.groups,
        )


@dataclass(frozen=True)
class AttentionOutcome:
    """What came of a training of T-TAME's attention.

    Attributes:
        worth: what its maps are worth on pictures that were not learnt from.
        best_epoch: whose attention is kept: the lowest loss on the pictures that choose.
        epochs: all that were run.
        pictures: trained on.
        choosing: how many pictures chose the epoch.
        seconds: taken by the whole training, pauses and judging left out.
        stopped_early: whether patience ran out.
        features_cached: whether what the classifier makes of the pictures was computed once and reused.
    """

    worth: AttentionReport
    best_epoch: int
    epochs: tuple[Epoch, ...]
    pictures: int
    choosing: int
    seconds: float
    stopped_early: bool
    features_cached: bool


@dataclass(frozen=True)
class Preparing:
    """What is done before the first epoch, and how much of it, 0…1."""

    text: str
    share: float


@dataclass(frozen=True)
class Trained:
    """Trained prompts: `prompts` `(N or 1, C, D)`, `score.weight` `(1, D)`, `score.bias` `(1,)`, float32 on the CPU."""

    tensors: dict[str, Tensor]
    report: Report


@dataclass(frozen=True)
class TrainedMaps:
    """Trained attention.

    Attributes:
        tensors: of a `TrainedAttention`, on the CPU.
        layers: those that it reads.
        known: what the pictures that it learnt from look like at them, see `explain.faithfulness.unlike`; None where
            they are too few to tell.
        outcome: how it went.
    """

    tensors: dict[str, Tensor]
    layers: tuple[Layer, ...]
    known: Known | None
    outcome: AttentionOutcome

    def list_tensors(self) -> dict[str, Tensor]:
        """All that is kept of it by name."""
        import torch

        packed = {} if self.known is None else pack_known(self.known)
        return {
            **self.tensors,
            **{f"{KNOWN}{name}": torch.from_numpy(values).float() for name, values in packed.items()},
        }


Tell = Callable[[Epoch | Preparing | str, float | None], None]
"""Told an epoch that is over, or in a sentence what is being done, with the share of the whole done so far, 0…1; and
before that how the preparing goes, with None.
"""
EPOCHS = TypeAdapter(list[Epoch])
