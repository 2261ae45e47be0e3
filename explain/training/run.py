"""One training in a process of its own, as a page sees it: started, paused, cancelled, and found again by its token.

Importing this does not import torch.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from explain.datasets.dataset import DataSet
from explain.datasets.groups import group_as_told
from explain.models.request import ModelRequest
from explain.rights import need, record
from explain.storage import data_folder, find_data_folder, make_folder, write_atomically
from explain.training.detached import delete, is_token, launch, make_token, sweep
from explain.training.outcome import Epoch
from explain.training.process_lock import is_locked
from explain.training.recipe import PromptRecipe
from explain.training.run_folder import EPOCH, REPORT, AnyReport, Order, Recipe, RunFolder, Words

if TYPE_CHECKING:
    from explain.datasets.dataset import DataSet
    from explain.models.prompt_library import PromptCard

Phase = Literal["preparing", "training", "paused", "done", "failed", "cancelled", "interrupted"]
Trains = Literal["prompts", "attention"]
_FINAL = ("done", "failed", "cancelled")
"""The phases that a run's process says itself when it ends; an interrupted one could not."""

_RECENT_EPOCHS = 5


@dataclass(frozen=True)
class RunState:
    """How a run stands.

    Attributes:
        phase: `interrupted` is a run whose process ended on its own; `TrainingRun.resume` brings it back.
        name: of the prompts or the attention; once they are saved, the one they were saved under.
        epochs: those that are over.
        epochs_planned: how many there are at most.
        share: of the epochs, 0…1.
        seconds_left: at most, while training; None where nothing can be said.
        message: what is being done, or why it failed, in a sentence; may be empty.
        report: once done.
        digest: once done, that of the card; empty for runs from before it was kept.
        keeps: whether its pictures stay when it is over.
        trains: what it trains.
    """

    phase: Phase
    name: str
    epochs: tuple[Epoch, ...]
    epochs_planned: int
    share: float
    seconds_left: float | None
    message: str
    report: AnyReport | None
    digest: str = ""
    keeps: bool = True
    trains: Trains = "prompts"

    @property
    def is_running(self) -> bool:
        """Whether its process is there, at work or paused, so that there is something to wait for."""
        return self.phase not in (*_FINAL, "interrupted")


class TrainingRun:
    """A run, known by its token. Holds no state: everything is read from its folder.

    Attributes:
        token: random; whoever knows it may see and steer the run, of those who have the data folder that it is in.
        files: what is kept about it.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self.files = RunFolder(find_data_folder() / "runs" / token)

    @property
    def folder(self) -> Path:
        """Where everything about the run is kept."""
        return self.files.path

    @classmethod
    def start(
        cls,
        dataset: DataSet,
        backbone: ModelRequest,
        recipe: Recipe,
        name: str,
        weights: bytes | None = None,
        keep: bool = True,
    ) -> TrainingRun:
        """Begin a run; what it needs is copied into its folder first, and old runs are swept out.

        Args:
            dataset: the pictures.
            backbone: the network.
            recipe: settings, which say what is trained.
            name: for what is trained. Where it is taken by the end of the training, a number is put behind it.
            weights: the checkpoint's bytes, for a backbone from a file.
            keep: whether the pictures stay when it is over, until it is deleted or `DAYS_KEPT` days are past.

        Raises:
            ExplainError: the disk is full, or no process can be started. Nothing is left behind.
            RightsError: whoever acts may not train.
        """
        need("train")
        if isinstance(recipe, PromptRecipe):
            dataset = group_as_told(dataset, recipe.together)  # by their names, which are not kept
        make_folder(data_folder() / "runs")
        sweep_runs()
        run = cls(make_token())
        try:
            make_folder(run.folder)
            dataset.save(run.files.pictures)
            if weights is not None:
                write_atomically(run.files.weights, weights)
            order = Order(name=name, backbone=backbone, recipe=recipe, labels=dataset.labels, keep=keep)
            write_atomically(run.files.order, order.model_dump_json().encode())
            run._launch()
        except BaseException:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
        record("train")
        return run

    @classmethod
    def find(cls, token: str) -> TrainingRun | None:
        """The run of a token, or None. Nothing but a well-formed token ever becomes part of a path."""
        if not is_token(token):
            return None
        run = cls(token)
        return run if run.files.order.is_file() else None

    def state(self) -> RunState:
        """How the run stands now."""
        # Asked for before its words are read: a process that ends in between has said how, and is not interrupted.
        is_at_work = is_locked(self.files.lock)
        order = self.files.read_order()
        phase: Phase = "preparing"
        message, share, name, digest = "", 0.0, order.name, ""
        share_then = 0.0
        epochs: dict[int, Epoch] = {}
        for entry in self.files.read_progress():
            phase = entry.get("phase", phase)
            message = entry.get("message", message)
            share = entry.get("share", share)
            name, digest = entry.get("name", name), entry.get("digest", digest)
            if "epoch" in entry:
                epoch = EPOCH.validate_python(entry["epoch"])
                epochs[epoch.number] = epoch
                share_then = share
        if phase not in _FINAL:
            if not is_at_work:
                phase = "interrupted"
                if self.files.cancel.exists():
                    self.files.clear_away()
                    phase = "cancelled"
            elif self.files.pause.exists():
                phase = "paused"
        done = tuple(epochs[number] for number in sorted(epochs))
        planned = order.recipe.epochs
        recent = [epoch.seconds for epoch in done[-_RECENT_EPOCHS:]]
        left = None
        if recent and share_then and phase == "training":
            # Courses that only judge come after these epochs, and take as long for the same share of the whole.
            left = (1 - share) * len(done) / share_then * sum(recent) / len(recent)
        report = REPORT.validate_json(self.files.report.read_bytes()) if phase == "done" else None
        share = 1.0 if phase == "done" else share
        trains: Trains = "prompts" if isinstance(order.recipe, PromptRecipe) else "attention"
        return RunState(phase, name, done, planned, share, left, message, report, digest, order.keep, trains)

    def pause(self) -> None:
        """Have it wait after the batch at hand. It keeps its memory; if it is killed, its checkpoint stands."""
        self.files.pause.touch()

    def resume(self) -> None:
        """Let a paused run go on; start an interrupted or failed one again from its last checkpoint.

        Raises:
            ExplainError: no process can be started.
            RightsError: whoever acts may not train.
        """
        need("train")
        self.files.pause.unlink(missing_ok=True)
        if self.state().phase in ("interrupted", "failed"):
            Words(self.files.progress).say(phase="preparing", message="")  # it is over no longer
            self._launch()

    def cancel(self) -> None:
        """End it after the batch at hand and delete its pictures. What is over stays as it is."""
        if self.state().phase in _FINAL:
            return
        self.files.cancel.touch()
        self.state()

    def dataset(self) -> DataSet:
        """The pictures it trains on.

        Raises:
            ExplainError: they are gone, because it was cancelled or was not to keep them.
        """
        return DataSet.load(self.files.pictures)

    def find_labels(self) -> tuple[str, ...]:
        """Names of the classes, also where the pictures are gone.

        Raises:
            ExplainError: they are gone with the pictures, as in runs from before they were kept apart.
        """
        return self.files.read_order().labels or self.dataset().labels

    @property
    def can_start_again(self) -> bool:
        """Whether all that it began with is still there."""
        return self.files.pictures.is_dir() and self.files.read_order().backbone.source != "file"

    def start_again(self) -> TrainingRun:
        """A new run of the same pictures, network, settings and name.

        Raises:
            ExplainError: the pictures are gone, or as `start`.
        """
        order = self.files.read_order()
        return self.start(self.dataset(), order.backbone, order.recipe, order.name, keep=order.keep)

    def delete(self) -> None:
        """Delete all that is kept of it: pictures, report and address. Its prompts stay in the library.

        Raises:
            ExplainError: it is at work, or the disk does not let it.
        """
        delete(self.folder, "The training", "This training")

    def _launch(self) -> None:
        launch("explain.training.worker", self.folder, "The training", lambda: self.state().phase in _FINAL)


def find_runs_of(card: PromptCard) -> list[TrainingRun]:
    """The runs that made these prompts and are over; their folders may hold the pictures still."""
    found = []
    for folder in (find_data_folder() / "runs").glob("*"):
        run = None if folder.is_symlink() else TrainingRun.find(folder.name)
        if run is None or is_locked(run.files.lock):
            continue
        ends = [entry for entry in run.files.read_progress() if entry.get("phase") == "done"]
        if ends and ends[-1].get("name") == card.name and ends[-1].get("digest", card.digest) == card.digest:
            found.append(run)
    return found


def sweep_runs() -> None:
    """Delete the runs that nobody has touched for `DAYS_KEPT` days and no process works on."""
    sweep(find_data_folder() / "runs")
