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
from typing import Any, Protocol

from explain.collections.opening import FOLDERS, NONE
from explain.collections.pace import Pace
from explain.collections.question import Order
from explain.collections.region_finder import KNOWN_PARTS
from explain.collections.remote import read_address
from explain.collections.run_folder import DEATHS, RunFolder
from explain.collections.source import find_path
from explain.collections.worker import NICE
from explain.errors import Cancelled, ExplainError
from explain.rights import need
from explain.storage import PROGRAM, own_environment

WORKER = (sys.executable, "-m", "explain.collections.worker")
"""The process that does the work."""

ON_CLUSTER = (sys.executable, "-m", "explain.collections.cluster")
"""The process that has it done by several, where several devices or a cluster are asked for."""

_SECONDS_TO_END = 30.0


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
    command: Sequence[str] | None = None,
    nice: bool = False,
) -> Outcome:
    """Explain a collection, or what is not written of it yet.

    A worker that dies is started again. One that dies `DEATHS` times on the same pictures has them halved, until the
    one that it dies on is found; that is listed as failed.

    Args:
        order: what is asked.
        tell: told how far it is.
        cancel: stops it once set; what is written stays.
        command: what starts the worker; left out, `WORKER` or `ON_CLUSTER`.
        nice: whether other processes go first.

    Raises:
        ExplainError: in a sentence, what was wrong with the order, the source, the model or the folder.
        Cancelled: it was stopped.
        RightsError: whoever acts may begin no run.
    """
    need("collections")
    names = [name for name in ("source", "out", "model_file") if getattr(order, name)]
    if read_address(order.source):
        names.remove("source")
    paths: dict[str, Any] = {name: find_path(getattr(order, name)) for name in names}
    if order.classes not in (FOLDERS, NONE):
        paths["classes"] = str(find_path(Path(order.classes)))
    if order.regions not in ("", KNOWN_PARTS):
        paths["regions"] = str(find_path(Path(order.regions)))
    order = order.model_copy(update=paths)  # the worker stands in another folder
    return drive(order, tell, cancel, command or (ON_CLUSTER if order.devices or order.address else WORKER), nice)


class Ordered(Protocol):
    """What a worker is told: a model of pydantic that names the run's folder."""

    @property
    def out(self) -> Path:
        """The run's folder."""

    def model_dump_json(self) -> str:
        """All of it in a line."""


def drive(
    order: Ordered,
    tell: Tell = lambda pace: None,
    cancel: threading.Event | None = None,
    command: Sequence[str] = WORKER,
    nice: bool = False,
) -> Outcome:
    """Have a worker do what it is told, and another where it dies. Arguments are those of `collect`, paths absolute.

    Raises:
        ExplainError, Cancelled: as `collect`.
    """
    run = _Run(order, tell, cancel or threading.Event())
    while not run.over:
        with _start(command, order, nice) as worker:
            run.follow(worker)
    return Outcome(order.out, run.pace.total, run.fresh, run.failed, run.notes, run.begun)


@dataclass
class _Run:
    """A run while it goes on, through the lives of its workers."""

    order: Ordered
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

    def _hear_ready(self, total: int, done: int, notes: list[str], doing: str = "Explaining") -> None:
        self.notes = tuple(notes)
        self._written = done
        self._began = self._began or time.monotonic()
        self._say(total=total, done=done, sentence=doing)

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
def _start(command: Sequence[str], order: Ordered, nice: bool) -> Iterator[subprocess.Popen[str]]:
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
