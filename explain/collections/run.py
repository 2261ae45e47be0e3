"""Explains a collection in a process of its own, sees to it when it dies, and says how far it is. Imports no torch."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from explain.collections.opening import FOLDERS, NONE
from explain.collections.question import Order
from explain.collections.region_finder import KNOWN_PARTS
from explain.collections.run_folder import DEATHS, RunFolder
from explain.collections.source import find_path
from explain.collections.worker import NICE
from explain.errors import Cancelled, ExplainError
from explain.rights import need
from explain.storage import PROGRAM, own_environment

WORKER = (sys.executable, "-m", "explain.collections.worker")
"""The process that does the work."""

_SECONDS_TO_END = 30.0


@dataclass(frozen=True)
class Pace:
    """How far a run is.

    Attributes:
        total: pictures, those that failed too.
        done: of them, those that are over; in the shard at hand they are not written yet.
        failed: those that could not be explained, in this run.
        per_second: pictures a second since the model was loaded; None before the first.
        seconds_left: at that pace; None where nothing can be said.
        sentence: what is being done.
    """

    total: int = 0
    done: int = 0
    failed: int = 0
    per_second: float | None = None
    seconds_left: float | None = None
    sentence: str = "Listing the pictures"

    @property
    def share(self) -> float:
        """What of the whole is done, 0…1."""
        return self.done / self.total if self.total else 0.0


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        folder: where it lies.
        total: pictures of the run.
        fresh: pictures that were written now.
        failed: of those, why they could not be explained, in sentences, with how many each holds for.
        notes: sentences on what was left out of the question.
        begun: shards that were begun; one is begun again when the worker died on it.
    """

    folder: Path
    total: int
    fresh: int
    failed: Counter[str]
    notes: tuple[str, ...]
    begun: int = 0


Tell = Callable[[Pace], None]


def collect(
    order: Order,
    tell: Tell = lambda pace: None,
    cancel: threading.Event | None = None,
    command: Sequence[str] = WORKER,
    nice: bool = False,
) -> Outcome:
    """Explain a collection, or what is not written of it yet.

    A worker that dies is started again. One that dies `DEATHS` times on the same pictures has them halved, until the
    one that it dies on is found; that is listed as failed.

    Args:
        order: what is asked.
        tell: told how far it is.
        cancel: stops it once set; what is written stays.
        command: what starts the worker.
        nice: whether other processes go first.

    Raises:
        ExplainError: in a sentence, what was wrong with the order, the source, the model or the folder.
        Cancelled: it was stopped.
        RightsError: whoever acts may begin no run.
    """
    need("collections")
    paths: dict[str, Any] = {
        name: find_path(path) for name in ("source", "out", "model_file") if (path := getattr(order, name))
    }
    if order.classes not in (FOLDERS, NONE):
        paths["classes"] = str(find_path(Path(order.classes)))
    if order.regions not in ("", KNOWN_PARTS):
        paths["regions"] = str(find_path(Path(order.regions)))
    order = order.model_copy(update=paths)  # the worker stands in another folder
    run = _Run(order, tell, cancel or threading.Event())
    while not run.over:
        with _start(command, order, nice) as worker:
            run.follow(worker)
    return Outcome(order.out, run.pace.total, run.fresh, run.failed, run.notes, run.begun)


@dataclass
class _Run:
    """A run while it goes on, through the lives of its workers."""

    order: Order
    tell: Tell
    cancel: threading.Event
    pace: Pace = field(default_factory=Pace)
    fresh: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()
    over: bool = False
    begun: int = 0
    _deaths: Counter[str] = field(default_factory=Counter)
    _shard: str = ""
    _ids: list[str] = field(default_factory=list)
    _written: int = 0
    _began: float = 0.0

    def follow(self, worker: subprocess.Popen[str]) -> None:
        """Hear what one worker says until it ends."""
        stop = threading.Thread(target=self._await_cancel, args=(worker,), daemon=True, name="collection-cancel")
        stop.start()
        self._shard, self._ids = "", []
        assert worker.stdout is not None
        for line in worker.stdout:
            told = json.loads(line)
            getattr(self, f"_hear_{told.pop('event')}")(**told)
        worker.wait()
        if not self.over:
            if self.cancel.is_set():
                self._hear_cancelled()
            self._mourn(worker.returncode)

    def _await_cancel(self, worker: subprocess.Popen[str]) -> None:
        """Close the worker's input once the run is cancelled: it ends by itself then."""
        while worker.poll() is None:
            if self.cancel.wait(0.1):
                assert worker.stdin is not None
                worker.stdin.close()
                return

    def _mourn(self, code: int) -> None:
        """A worker died; note it against what it was at."""
        self._deaths[self._shard] += 1
        if self._deaths[self._shard] < DEATHS:
            return
        if not self._shard:
            raise ExplainError(
                f"The program ended {DEATHS} times before the first picture (exit status {code}). The model may need "
                "more memory than there is: try a smaller one."
            )
        RunFolder(self.order.out).mourn(self._shard, self._ids)

    def _hear_loading(self, pictures: int) -> None:
        self._say(total=pictures, sentence="Loading the model")

    def _hear_ready(self, total: int, done: int, notes: list[str]) -> None:
        self.notes = tuple(notes)
        self._written = done
        self._began = self._began or time.monotonic()
        self._say(total=total, done=done, sentence="Explaining")

    def _hear_at(self, shard: str, ids: list[str], count: int) -> None:
        self._shard, self._ids = shard, ids
        self.begun += 1

    def _hear_far(self, count: int) -> None:
        self._say(done=self._written + count)

    def _hear_written(self, count: int, failed: list[str]) -> None:
        self._written += count
        self.fresh += count
        self.failed.update(failed)
        self._deaths.clear()
        self._say(done=self._written, failed=sum(self.failed.values()))

    def _hear_done(self) -> None:
        self.over = True

    def _hear_refused(self, sentence: str) -> None:
        raise ExplainError(sentence)

    def _hear_cancelled(self) -> None:
        raise Cancelled("Stopped. What is written stays; the same command goes on from there.")

    def _say(self, **changes: Any) -> None:
        pace = replace(self.pace, **changes)
        ahead = pace.done - self._written + self.fresh
        seconds = time.monotonic() - self._began
        if self._began and ahead > 0 and seconds > 0:
            rate = ahead / seconds
            pace = replace(pace, per_second=rate, seconds_left=(pace.total - pace.done) / rate)
        self.pace = pace
        self.tell(pace)


@contextmanager
def _start(command: Sequence[str], order: Order, nice: bool) -> Iterator[subprocess.Popen[str]]:
    """A worker with its order; whatever happens, it is gone in the end."""
    worker = subprocess.Popen(
        [*command, *([NICE] if nice else [])],
        cwd=PROGRAM,
        env=own_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C reaches whoever started it, who then lets it end
    )
    try:
        assert worker.stdin is not None
        worker.stdin.write(order.model_dump_json() + "\n")
        worker.stdin.flush()
        yield worker
    except BrokenPipeError:
        raise ExplainError("The process that explains could not be started.") from None
    finally:
        if worker.stdin and not worker.stdin.closed:
            with suppress(BrokenPipeError):
                worker.stdin.close()
        try:
            worker.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
