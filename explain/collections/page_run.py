"""One run that a page began, in a process of its own: started, stopped, taken up again, and found by its token.

Importing this does not import torch.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from explain.collections.pace import Pace
from explain.collections.question import Order
from explain.collections.run_folder import RESULTS, RunFolder
from explain.collections.runs import Run
from explain.collections.sending import Sending, pack
from explain.errors import ExplainError
from explain.pictures.naming import Names
from explain.progress import Watch
from explain.rights import need, record
from explain.storage import (
    data_folder,
    find_data_folder,
    find_shared_folder,
    list_data_folders,
    make_folder,
    write_atomically,
)
from explain.training.detached import LOCK, delete, is_token, launch, make_token, sweep
from explain.training.process_lock import is_locked, take_lock

Phase = Literal["explaining", "stopping", "done", "failed", "cancelled", "interrupted"]
_FINAL = ("done", "failed", "cancelled")
"""The phases that a run's process says itself when it ends; an interrupted one could not."""

FOLDER = "explained"
"""In the data folder: where runs lie that pages began. Nobody lists them: each is known to whoever has its token, and
where people log in, to who began it alone.
"""

MOST_AT_ONCE = 2
"""Such runs on one machine: each holds a model of its own."""

_STARTING = "starting"
"""The file in a run's folder that the dashboard holds until the run's process has its own lock."""

_LENGTH = 4096
_LONGEST_SAID = 600  # characters, each of which may take six bytes


class Errand(BaseModel):
    """What a page asked for.

    Attributes:
        order: what is explained, and how.
        keep: whether the pictures stay when it is over.
        created: in seconds of the epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: Order
    keep: bool = True
    created: float = Field(default_factory=time.time)


@dataclass(frozen=True)
class Pulse:
    """What the process says of itself, in a file of fixed length that is written over: even a full disk has room for
    that.

    Attributes:
        phase: where it stands.
        pace: how far it is.
        message: why it failed, in a sentence; else empty.
    """

    phase: Phase = "explaining"
    pace: Pace = field(default_factory=Pace)
    message: str = ""

    def write(self, path: Path) -> None:
        """Put it into the file, which has its length from the first time on."""
        told = {**asdict(self), "message": self.message[:_LONGEST_SAID]}
        with contextlib.suppress(OSError), path.open("r+b" if path.exists() else "wb") as file:
            file.write(json.dumps(told).encode().ljust(_LENGTH))

    @classmethod
    def read(cls, path: Path) -> Pulse | None:
        """What was said last; None where it is being said at this moment, and before the first time."""
        try:
            told: dict[str, Any] = json.loads(path.read_bytes())
            return cls(told["phase"], Pace(**told["pace"]), told["message"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True)
class PageRunState:
    """How a run stands.

    Attributes:
        phase: `interrupted` is a run whose process ended on its own; `PageRun.resume` brings it back, as it does one
            that was stopped or failed.
        pace: how far it is.
        message: why it failed, in a sentence; may be empty.
        has_pictures: whether they are there.
        has_results: whether something is written that can be looked at.
    """

    phase: Phase
    pace: Pace
    message: str
    has_pictures: bool
    has_results: bool

    @property
    def is_running(self) -> bool:
        """Whether its process is there, so that there is something to wait for."""
        return self.phase in ("explaining", "stopping")


class PageRun:
    """A run, known by its token. Holds no state: everything is read from its folder.

    Attributes:
        token: random; whoever knows it may see and steer the run, of those who have the data folder that it is in.
        folder: everything about it; in it the pictures, the model's file, what was asked, the pulse, a lock that its
            process holds, and an empty file that says it is to stop, which even a full disk has room for.
        result: the folder of the run itself, as `collect` leaves one.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self.folder = find_data_folder() / FOLDER / token
        self.result = RunFolder(self.folder / "run")
        self.pictures = self.folder / "pictures.zip"
        self.lock = self.folder / LOCK
        self.cancelling = self.folder / "cancel"
        self.pulse = self.folder / "pulse.json"
        self._weights = self.folder / "model"
        self._errand = self.folder / "errand.json"

    @classmethod
    def start(
        cls,
        sending: Sending,
        order: Order,
        names: Names,
        watch: Watch,
        weights: bytes | None = None,
        keep: bool = True,
    ) -> PageRun:
        """Begin a run; the pictures are copied into its folder first, and old runs are swept out.

        Args:
            sending: the pictures.
            order: what is asked of them; its paths are filled in here.
            names: whose names are not written down.
            watch: told how far it is; may stop it before the process has begun.
            weights: the checkpoint's bytes, for a model from a file.
            keep: whether the pictures stay when it is over, until it is deleted or its days are past.

        Raises:
            ExplainError: no picture can be read, the disk is full, others are at work, or no process can be started.
                Nothing is left behind.
            Cancelled: it was stopped. Nothing is left behind.
            RightsError: whoever acts may begin no run.
        """
        need("collections")
        place = data_folder() / FOLDER
        make_folder(place)
        sweep_page_runs()
        run = cls(make_token())
        try:
            with _holding_place(run.folder):
                pack(sending, names, run.pictures, watch)
                if weights is not None:
                    write_atomically(run._weights, weights)
                paths = {"source": run.pictures, "out": run.result.path, "names": "shown"}  # those that were hidden
                order = order.model_copy(update={**paths, "model_file": None if weights is None else run._weights})
                write_atomically(run._errand, Errand(order=order, keep=keep).model_dump_json().encode())
                Pulse().write(run.pulse)
                watch.stop_if_cancelled()
                run._launch()
        except BaseException:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
        record("collections")
        return run

    @classmethod
    def find(cls, token: str) -> PageRun | None:
        """The run of a token, or None. Nothing but a well-formed token ever becomes part of a path."""
        if not is_token(token):
            return None
        run = cls(token)
        return run if run._errand.is_file() else None

    def read_errand(self) -> Errand:
        """What was asked for."""
        return Errand.model_validate_json(self._errand.read_bytes())

    def state(self) -> PageRunState:
        """How the run stands now."""
        # Asked for before its pulse is read: a process that ends in between has said how, and is not interrupted.
        is_at_work = is_locked(self.lock)
        pulse = Pulse.read(self.pulse) or Pulse()
        phase = pulse.phase
        if phase not in _FINAL:
            phase = "interrupted"
            if is_at_work:
                phase = "stopping" if self.cancelling.exists() else "explaining"
        return PageRunState(
            phase,
            pulse.pace,
            pulse.message,
            self.pictures.exists(),
            any(self.result.path.glob(f"{RESULTS}-*.parquet")),
        )

    def cancel(self) -> None:
        """Stop it. What is written stays, and so do the pictures that are to be kept."""
        if self.state().is_running:
            self.cancelling.touch()

    def resume(self) -> None:
        """Take up a run that was stopped, failed or was interrupted.

        Raises:
            ExplainError: its pictures were not kept, others are at work, or no process can be started.
            RightsError: whoever acts may begin no run.
        """
        need("collections")
        if self.state().is_running:
            return
        if not self.pictures.exists():
            raise ExplainError("Its pictures were not kept, so it cannot go on. Give them again.")
        with _holding_place(self.folder):
            self.cancelling.unlink(missing_ok=True)
            Pulse().write(self.pulse)  # it is over no longer
            self._launch()

    def delete(self) -> None:
        """Delete all that is kept of it: pictures, maps and address.

        Raises:
            ExplainError: it is at work, or the disk does not let it.
        """
        delete(self.folder, "The collection", "This collection")

    def clear_away(self) -> None:
        """Delete the pictures and the model's file; what was found of them stays."""
        for path in (self.pictures, self._weights):
            path.unlink(missing_ok=True)

    def open(self) -> Run | None:
        """The run as the Collection page opens one; None while nothing is written."""
        try:
            manifest = self.result.read_manifest()
        except ExplainError:
            return None
        begun = datetime.fromtimestamp(self.read_errand().created)
        return Run(self.token, f"Yours, {begun.day} {begun:%b, %H:%M}", self.result.path, manifest)

    def _launch(self) -> None:
        launch("explain.collections.page_worker", self.folder, "The run", lambda: self.state().phase in _FINAL)


@contextlib.contextmanager
def _holding_place(folder: Path) -> Iterator[None]:
    """Hold one of the places that this machine has for runs, until the run's own process is there to hold it. Whoever
    counts them lets nobody else count meanwhile: two who come at once do not both find the last one free.

    Args:
        folder: of the run; made if missing.

    Raises:
        ExplainError: others are at work, or this very run is being begun.
    """
    counting = take_lock(find_shared_folder() / f"{FOLDER}.lock")
    if counting is None:
        raise ExplainError("Others begin collections at this very moment. Try again.")
    with counting:
        folders = [run for home in list_data_folders() for run in (home / FOLDER).glob("*")]
        if sum(is_locked(run / LOCK) or is_locked(run / _STARTING) for run in folders) >= MOST_AT_ONCE:
            raise ExplainError(
                f"{MOST_AT_ONCE} collections are being explained on this machine already. Wait until one is over."
            )
        make_folder(folder)
        holding = take_lock(folder / _STARTING)
    if holding is None:
        raise ExplainError("This collection is being begun already.")
    with holding:
        yield


def open_page_runs(tokens: Sequence[str]) -> list[Run]:
    """The runs of those tokens that can be opened."""
    found = [run.open() for token in tokens if (run := PageRun.find(token)) is not None]
    return [run for run in found if run is not None]


def sweep_page_runs() -> None:
    """Delete the runs that nobody has touched for days and no process works on."""
    sweep(find_data_folder() / FOLDER)
