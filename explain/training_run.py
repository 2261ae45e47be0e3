"""One training of class prompts in a process of its own: `python -m explain.training_run TOKEN`.

It goes on when the page that began it is closed or the server ends, and is found again by its token. Importing this
does not import torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from explain.errors import Cancelled, ExplainError
from explain.models import ModelRequest
from explain.process_lock import is_locked, take_lock
from explain.prompt_library import PromptCard, save_prompts, suggest_name
from explain.prompt_training import Epoch, PromptRecipe, Report, Tell, Trained
from explain.storage import VARIABLE, data_folder, find_data_folder, make_folder, write_atomically

if TYPE_CHECKING:
    from explain.dataset import DataSet
    from explain.models import LoadedModel

Phase = Literal["preparing", "training", "paused", "done", "failed", "cancelled", "interrupted"]

DAYS_KEPT = 14
"""A run untouched for longer is deleted when the next one starts, with its pictures."""

_CHECKPOINT = "checkpoint.safetensors"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_OVER = ("done", "failed", "cancelled")
_SECONDS_TO_START = 60.0
_SECONDS_BETWEEN_LOOKS = 0.1
_SECONDS_BETWEEN_WORDS = 0.5
_RECENT_EPOCHS = 5
_NICENESS = 10
_ROOT = Path(__file__).resolve().parents[1]
_EPOCH, _REPORT = TypeAdapter(Epoch), TypeAdapter(Report)


class _Order(BaseModel):
    """What a run was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    backbone: ModelRequest
    recipe: PromptRecipe
    created: float = Field(default_factory=time.time)


@dataclass(frozen=True)
class RunState:
    """How a run stands.

    Attributes:
        phase: `interrupted` is a run whose process ended on its own; `TrainingRun.resume` brings it back.
        name: of the prompts; once they are saved, the one they were saved under.
        epochs: those that are over.
        epochs_planned: how many there are at most.
        share: of the epochs, 0…1.
        seconds_left: at most, while training; None where nothing can be said.
        message: what is being done, or why it failed, in a sentence; may be empty.
        report: once done.
    """

    phase: Phase
    name: str
    epochs: tuple[Epoch, ...]
    epochs_planned: int
    share: float
    seconds_left: float | None
    message: str
    report: Report | None


class TrainingRun:
    """A run, known by its token. Holds no state: everything is read from its folder.

    Attributes:
        token: random; whoever knows it may see and steer the run.
        folder: where everything about the run is kept.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self.folder = find_data_folder() / "runs" / token

    @classmethod
    def start(
        cls,
        dataset: DataSet,
        backbone: ModelRequest,
        recipe: PromptRecipe,
        name: str,
        weights: bytes | None = None,
    ) -> TrainingRun:
        """Begin a run; what it needs is copied into its folder first, and old runs are swept out.

        Args:
            dataset: the pictures.
            backbone: the ViT.
            recipe: settings.
            name: for the prompts. Where it is taken by the end of the training, a number is put behind it.
            weights: the checkpoint's bytes, for a backbone from a file.

        Raises:
            ExplainError: the disk is full, or no process can be started. Nothing is left behind.
        """
        make_folder(data_folder() / "runs")
        sweep_runs()
        run = cls(secrets.token_urlsafe(32))
        try:
            make_folder(run.folder)
            dataset.save(run._pictures)
            if weights is not None:
                write_atomically(run._weights, weights)
            order = _Order(name=name, backbone=backbone, recipe=recipe)
            write_atomically(run._order, order.model_dump_json().encode())
            run._launch()
        except BaseException:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
        return run

    @classmethod
    def find(cls, token: str) -> TrainingRun | None:
        """The run of a token, or None. Nothing but a well-formed token ever becomes part of a path."""
        if not _TOKEN.fullmatch(token):
            return None
        run = cls(token)
        return run if run._order.is_file() else None

    def state(self) -> RunState:
        """How the run stands now."""
        order = self._read_order()
        phase: Phase = "preparing"
        message, share, name = "", 0.0, order.name
        epochs: dict[int, Epoch] = {}
        for entry in self._read_progress():
            phase = entry.get("phase", phase)
            message = entry.get("message", message)
            share = entry.get("share", share)
            name = entry.get("name", name)
            if "epoch" in entry:
                epoch = _EPOCH.validate_python(entry["epoch"])
                epochs[epoch.number] = epoch
        if phase not in _OVER:
            if not is_locked(self._lock):
                phase = "interrupted"
                if self._cancel.exists():
                    self._clear_away()
                    phase = "cancelled"
            elif self._pause.exists():
                phase = "paused"
        done = tuple(epochs[number] for number in sorted(epochs))
        planned = order.recipe.epochs
        recent = [epoch.seconds for epoch in done[-_RECENT_EPOCHS:]]
        left = (planned - len(done)) * sum(recent) / len(recent) if recent and phase == "training" else None
        report = _REPORT.validate_json(self._report.read_bytes()) if phase == "done" else None
        return RunState(phase, name, done, planned, 1.0 if phase == "done" else share, left, message, report)

    def pause(self) -> None:
        """Have it wait after the batch at hand. It keeps its memory; if it is killed, its checkpoint stands."""
        self._pause.touch()

    def resume(self) -> None:
        """Let a paused run go on; start an interrupted or failed one again from its last checkpoint.

        Raises:
            ExplainError: no process can be started.
        """
        self._pause.unlink(missing_ok=True)
        if self.state().phase in ("interrupted", "failed"):
            _Words(self._progress).say(phase="preparing", message="")  # it is over no longer
            self._launch()

    def cancel(self) -> None:
        """End it after the batch at hand and delete its pictures. What is over stays as it is."""
        if self.state().phase in _OVER:
            return
        self._cancel.touch()
        self.state()

    def dataset(self) -> DataSet:
        """The pictures it trains on.

        Raises:
            ExplainError: they are gone, because it was cancelled.
        """
        from explain.dataset import DataSet

        return DataSet.load(self._pictures)

    @property
    def _pictures(self) -> Path:
        return self.folder / "pictures"

    @property
    def _weights(self) -> Path:
        return self.folder / "backbone"

    @property
    def _order(self) -> Path:
        return self.folder / "order.json"

    @property
    def _progress(self) -> Path:
        return self.folder / "progress.jsonl"

    @property
    def _report(self) -> Path:
        return self.folder / "report.json"

    @property
    def _checkpoint(self) -> Path:
        return self.folder / _CHECKPOINT

    @property
    def _lock(self) -> Path:
        return self.folder / "alive"

    # Steered by empty files, which even a full disk has room for.
    @property
    def _pause(self) -> Path:
        return self.folder / "pause"

    @property
    def _cancel(self) -> Path:
        return self.folder / "cancel"

    def _read_order(self) -> _Order:
        return _Order.model_validate_json(self._order.read_bytes())

    def _read_progress(self) -> Iterator[dict[str, Any]]:
        """What the process has said; a line cut short by a kill is passed over."""
        try:
            lines = self._progress.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def _launch(self) -> None:
        """Start the process and wait until it has the lock, so that it never reads as interrupted at its start."""
        with (self.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "explain.training_run", self.token],
                cwd=_ROOT,
                env={
                    **os.environ,
                    VARIABLE: str(find_data_folder().absolute()),
                    "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 2)),  # the dashboard's own work comes first
                    "OMP_WAIT_POLICY": "PASSIVE",
                    "PYTHONPATH": str(_ROOT),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # it outlives the server, and Ctrl-C there does not reach it
            )
        threading.Thread(target=process.wait, daemon=True, name="training-run").start()
        until = time.monotonic() + _SECONDS_TO_START
        while not is_locked(self._lock):
            if process.poll() is not None or time.monotonic() > until:
                if self.state().phase in _OVER:
                    return
                process.kill()
                raise ExplainError("The training could not be started. Its folder has a log that says why.")
            time.sleep(0.02)

    def work(self) -> None:
        """The whole training, in this process; what `start` has done in one of its own."""
        lock = take_lock(self._lock)
        if lock is None:  # another process works on it
            return
        words = _Words(self._progress)
        words.say(phase="preparing", message="Loading the ViT", share=0.0)
        try:
            name, report = self._train(words)
            write_atomically(self._report, _REPORT.dump_json(report))
        except Cancelled:
            self._clear_away()
            words.say(phase="cancelled", message="")
        except ExplainError as error:
            words.say(phase="failed", message=str(error))
        except Exception as error:  # a person looks at a page, not at this process
            traceback.print_exc()
            words.say(phase="failed", message=_excuse(error))
        else:
            words.say(phase="done", name=name, message="", share=1.0)
            self._checkpoint.unlink(missing_ok=True)
            self._weights.unlink(missing_ok=True)
        finally:
            lock.close()

    def _train(self, words: _Words) -> tuple[str, Report]:
        from explain.device import find_device, move, read_device_settings
        from explain.models import load_model
        from explain.prompt_training import train_prompts

        order = self._read_order()
        weights = self._weights.read_bytes() if self._weights.exists() else None
        loaded = load_model(order.backbone, weights)
        move(loaded.module, find_device(read_device_settings().device))
        dataset = self.dataset()

        trained = train_prompts(
            loaded, dataset, order.recipe, checkpoint=self._checkpoint, tell=words.hear, should_stop=self._watch()
        )
        return save_trained(order.name, loaded, dataset, order.recipe, trained, weights), trained.report

    def _watch(self) -> Callable[[], bool]:
        """Says whether the run is cancelled; does not answer while it is paused."""
        looked = 0.0

        def should_stop() -> bool:
            nonlocal looked
            if time.monotonic() < looked + _SECONDS_BETWEEN_LOOKS:
                return False
            while self._pause.exists() and not self._cancel.exists():
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            looked = time.monotonic()
            return self._cancel.exists()

        return should_stop

    def _clear_away(self) -> None:
        """Delete the pictures and all that was made of them; order and progress stay, so that the page can say so."""
        shutil.rmtree(self._pictures, ignore_errors=True)
        for path in (self._checkpoint, self._weights, self.folder / "features"):
            path.unlink(missing_ok=True)


class _Words:
    """What the process says of itself, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said = 0.0

    def say(self, **entry: Any) -> None:
        # A line begins on a new one, because a kill may have cut the last one short.
        line = f"\n{json.dumps(entry)}\n"
        # On a full disk the training goes on until its checkpoint says so in a sentence.
        with contextlib.suppress(OSError), self._path.open("ab") as file:
            file.write(line.encode())
        self._said = time.monotonic()

    def hear(self, said: Epoch | str, share: float | None) -> None:
        """For `train_prompts`. Sentences that follow one another quickly are left out."""
        if isinstance(said, Epoch):
            self.say(phase="training", epoch=asdict(said), share=share, message="")
        elif share is not None:
            self.say(phase="training", message=said, share=share)
        elif time.monotonic() > self._said + _SECONDS_BETWEEN_WORDS:
            self.say(phase="preparing", message=said)


def train_and_save(
    name: str,
    backbone: LoadedModel,
    dataset: DataSet,
    recipe: PromptRecipe,
    weights: bytes | None,
    resume: bool,
    tell: Tell,
) -> tuple[str, Report]:
    """The whole of a training in this process, for the command line.

    Stopped at any moment, it goes on from its last epoch when called again with `resume` and the same arguments.

    Args:
        name: see `save_trained`.
        backbone: the ViT.
        dataset: the pictures.
        recipe: settings.
        weights: see `save_trained`.
        resume: go on with the training that was stopped.
        tell: see `train_prompts`.

    Returns:
        The name the prompts are kept under, and the report.

    Raises:
        ExplainError: nothing was stopped that could be resumed, or as `train_prompts`.
    """
    from explain.prompt_training import train_prompts

    same = json.dumps([name, backbone.fingerprint, dataset.fingerprint, recipe.model_dump()])
    folder = data_folder() / "runs" / f"here-{hashlib.sha256(same.encode()).hexdigest()}"
    if resume and not (folder / _CHECKPOINT).exists():
        raise ExplainError(
            "There is no unfinished training with this name, these pictures and these settings. Leave out --resume."
        )
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    trained = train_prompts(backbone, dataset, recipe, checkpoint=folder / _CHECKPOINT, tell=tell)
    kept = save_trained(name, backbone, dataset, recipe, trained, weights)
    shutil.rmtree(folder, ignore_errors=True)
    return kept, trained.report


def save_trained(
    name: str,
    backbone: LoadedModel,
    dataset: DataSet,
    recipe: PromptRecipe,
    trained: Trained,
    weights: bytes | None = None,
) -> str:
    """Keep trained prompts in the library.

    Args:
        name: what to call them; made a plain word, with a number behind it where it is taken.
        backbone: what they were trained on.
        dataset: what they were trained with.
        recipe: how.
        trained: what came of it.
        weights: the checkpoint's bytes, for a backbone from a file.

    Returns:
        The name they are kept under.

    Raises:
        ExplainError: the disk is full.
    """
    free = suggest_name(name)
    card = PromptCard(
        name=free,
        classes=dataset.labels,
        backbone=backbone.request,
        backbone_fingerprint=backbone.fingerprint,
        variant=recipe.variant,
        recipe=recipe.model_dump(),
        accuracy=trained.report.accuracy,
        class_accuracy=trained.report.class_accuracy,
        pictures=len(dataset.examples),
        created=datetime.now(UTC),
    )
    return save_prompts(free, trained.tensors, card, weights).name


def sweep_runs() -> None:
    """Delete the runs that nobody has touched for `DAYS_KEPT` days and no process works on."""
    oldest = time.time() - DAYS_KEPT * 86_400
    for folder in (find_data_folder() / "runs").glob("*"):
        with contextlib.suppress(OSError):
            touched = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            if touched < oldest and not folder.is_symlink() and not is_locked(folder / "alive"):
                shutil.rmtree(folder, ignore_errors=True)


def _excuse(error: Exception) -> str:
    """A sentence for what nobody foresaw; the traceback is in the run's log."""
    from explain.device import runs_out_of_memory

    if isinstance(error, MemoryError) or runs_out_of_memory(error):
        return "The memory was not enough for this training. Choose a smaller batch, or a smaller ViT."
    return f"The training ended by a fault of CAMscope ({type(error).__name__}). The log in its folder has the details."


def main() -> None:
    """Work on the run whose token is given; nothing is done where another process does already."""
    run = TrainingRun.find(sys.argv[1]) if len(sys.argv) == 2 else None
    if run is None:
        raise SystemExit("There is no such run.")
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    run.work()


if __name__ == "__main__":
    main()
