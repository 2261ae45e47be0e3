"""What a run's folder holds, for the two who read and write it: the page (`run`) and the process (`worker`).

Importing this does not import torch.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from explain.models.request import ModelRequest
from explain.training.attention_recipe import AttentionRecipe
from explain.training.checkpoint import CHECKPOINT
from explain.training.detached import LOCK
from explain.training.outcome import AttentionOutcome, Epoch, Preparing, Report
from explain.training.recipe import PromptRecipe

Recipe = PromptRecipe | AttentionRecipe
"""What a run trains follows from its recipe: class prompts, or T-TAME's attention."""

AnyReport = Report | AttentionOutcome
EPOCH: TypeAdapter[Epoch] = TypeAdapter(Epoch)
REPORT: TypeAdapter[AnyReport] = TypeAdapter(AnyReport)
_SECONDS_BETWEEN_WORDS = 0.5


class Order(BaseModel):
    """What a run was asked for.

    Attributes:
        name: for what is trained.
        backbone: the network.
        recipe: settings; they say what is trained.
        labels: names of the classes; empty in orders from before they were kept.
        keep: whether the pictures stay when it is over.
        created: in seconds of the epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    backbone: ModelRequest
    recipe: Recipe
    labels: tuple[str, ...] = ()
    keep: bool = True
    created: float = Field(default_factory=time.time)


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Attributes:
        path: the folder.
        pictures: the data set's.
        weights: the backbone's checkpoint, where it came from a file.
        order: what was asked for.
        progress: what the process says, a line each.
        report: what came of it.
        checkpoint: where the training goes on from.
        lock: held as long as a process works on it.
        pause, cancel: empty files, which even a full disk has room for; the process looks for them.
    """

    path: Path

    @property
    def pictures(self) -> Path:
        return self.path / "pictures"

    @property
    def weights(self) -> Path:
        return self.path / "backbone"

    @property
    def order(self) -> Path:
        return self.path / "order.json"

    @property
    def progress(self) -> Path:
        return self.path / "progress.jsonl"

    @property
    def report(self) -> Path:
        return self.path / "report.json"

    @property
    def checkpoint(self) -> Path:
        return self.path / CHECKPOINT

    @property
    def lock(self) -> Path:
        return self.path / LOCK

    @property
    def pause(self) -> Path:
        return self.path / "pause"

    @property
    def cancel(self) -> Path:
        return self.path / "cancel"

    def read_order(self) -> Order:
        """What was asked for."""
        return Order.model_validate_json(self.order.read_bytes())

    def read_progress(self) -> Iterator[dict[str, Any]]:
        """What the process has said; a line cut short by a kill is passed over."""
        try:
            lines = self.progress.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def clear_away(self) -> None:
        """Delete the pictures and all that was made of them; order and progress stay, so that the page can say so."""
        shutil.rmtree(self.pictures, ignore_errors=True)
        for path in (self.checkpoint, self.weights, self.path / "features"):
            path.unlink(missing_ok=True)


class Words:
    """What the process says of itself, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said = 0.0
        self._sentence = ""

    def say(self, **entry: Any) -> None:
        """Write a line."""
        # A line begins on a new one, because a kill may have cut the last one short.
        line = f"\n{json.dumps(entry)}\n"
        # On a full disk the training goes on until its checkpoint says so in a sentence.
        with contextlib.suppress(OSError), self._path.open("ab") as file:
            file.write(line.encode())
        self._said = time.monotonic()

    def hear(self, said: Epoch | Preparing | str, share: float | None) -> None:
        """For `train_prompts` and `train_attention`. Sentences that follow one another quickly are left out."""
        if isinstance(said, Epoch):
            self.say(phase="training", epoch=asdict(said), share=share, message="")
        elif isinstance(said, str):
            # The first tells that it no longer prepares.
            if said != self._sentence or time.monotonic() > self._said + _SECONDS_BETWEEN_WORDS:
                self.say(phase="training", message=said, share=share)
            self._sentence = said
        elif time.monotonic() > self._said + _SECONDS_BETWEEN_WORDS:
            self.say(phase="preparing", message=said.text, share=said.share)
