"""What an engine does for clients elsewhere: it keeps what they put, and answers what they ask. Knows no network."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

from explain.engine.admission import ASKING, Ticket
from explain.engine.engine import Engine
from explain.engine.figures import gather_figures
from explain.engine.quotas import read_quotas
from explain.errors import Busy, ExplainError, ModelError
from explain.models.loaded import LoadedModel
from explain.networks.device import measure_half
from explain.pictures.decode import decode
from explain.pictures.picture import Picture
from explain.progress import Watch
from explain.remote.calls import CALLS, read_arguments
from explain.remote.model import write_model
from explain.remote.store import Kept, Store
from explain.remote.tickets import Tickets
from explain.remote.values import Reader, Writer, pack
from explain.remote.wire import (
    ALIVE,
    ANSWER,
    ERROR,
    PART,
    PROGRESS,
    TOOK,
    WAITS,
    Ask,
    Sent,
    check_weights,
    read_ask,
    unpack_array,
    unpack_picture,
    unpack_volume,
    write_error,
    write_frame,
)
from explain.volumes.volume import Volume

MOST_JOBS = 256
"""Questions that may wait or be worked on; who goes first, the engine's admission says."""

_SECONDS_OF_SILENCE = 1.0
_SECONDS_BETWEEN_LOOKS = 0.2  # at its place in the queue
_NOT_ELSEWHERE = ("prompts", "module")
_log = logging.getLogger(__name__)


class _Job:
    """A question that is worked on.

    Attributes:
        frames: what is told of it; None at its end.
        cancel: stops it.
        ticket: with which it waits, once it is known.
    """

    def __init__(self) -> None:
        self.frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.cancel = threading.Event()
        self.ticket: Ticket | None = None

    def tell(self, share: float, text: str) -> None:
        """Say how far it is."""
        self.frames.put(write_frame(PROGRESS, json.dumps([share, text]).encode()))


class Service:
    """Answers questions. Safe to share by threads.

    Args:
        engine: answers.
        store: keeps what is put.
    """

    def __init__(self, engine: Engine, store: Store | None = None) -> None:
        self.engine, self.store = engine, store or Store()
        self._opened: Kept[Picture] = Kept()
        self._volumes: Kept[Volume] = Kept()
        self._tickets = Tickets()
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()

    def describe(self) -> bytes:
        """Where models run, and how the engine and its queue are, as JSON."""
        told = {
            "device": self.engine.device,
            "description": self.engine.description,
            "half_speed": measure_half(self.engine.device),
            "figures": gather_figures(self.engine),
        }
        return json.dumps(Writer().write(told)).encode()

    def load(self, question: bytes) -> bytes:
        """Load the model of a question, and say what it is, as JSON.

        Raises:
            ExplainError: it cannot be had.
        """
        ask = read_ask(question)
        return write_model(self._load(ask), ask.weights)

    def explain(self, question: bytes) -> Iterator[bytes]:
        """The frames of the answer. Whoever closes them cancels the work."""
        job, silent, said = _Job(), time.monotonic(), ""
        threading.Thread(target=self._work, args=(question, job), daemon=True, name="remote-job").start()
        try:
            while True:
                try:
                    frame = job.frames.get(timeout=min(_SECONDS_BETWEEN_LOOKS, _SECONDS_OF_SILENCE))
                except queue.Empty:
                    waits = "" if job.ticket is None else job.ticket.describe_wait()
                    if waits != said:
                        frame, said = write_frame(WAITS, waits.encode()), waits
                    elif time.monotonic() - silent < _SECONDS_OF_SILENCE:
                        continue
                    else:  # so that it is noticed when nobody listens any more
                        frame = write_frame(ALIVE, b"")
                if frame is None:
                    return
                yield frame
                silent = time.monotonic()
        finally:
            job.cancel.set()

    def cancel(self, job: str) -> None:
        """Stop what is done for a question; of one that is over, nothing."""
        with self._lock:
            found = self._jobs.get(job)
        if found is not None:
            found.cancel.set()

    @property
    def running(self) -> int:
        """Questions that are worked on."""
        with self._lock:
            return len(self._jobs)

    def let_go(self) -> None:
        """Forget what nobody has asked for for long."""
        self.store.let_go()
        self._opened.let_go()
        self._volumes.let_go()
        self.engine.forget_unused(read_quotas().idle_captures_seconds)

    def _work(self, question: bytes, job: _Job) -> None:
        """Answer a question into frames, whatever happens."""
        name = ""
        try:
            ask = read_ask(question)
            with self._lock:
                if len(self._jobs) >= MOST_JOBS or ask.job in self._jobs:
                    raise Busy("The engine has too much to do. Ask again in a minute.")
                self._jobs[ask.job] = job
            name = ask.job
            with self._tickets.taking(ask.asking, job.cancel) as ticket:
                ASKING.set(ticket)
                job.ticket = ticket
                self._answer(ask, job)
        except ExplainError as error:
            job.frames.put(write_frame(ERROR, write_error(error)))
        except Exception as error:
            _log.exception("A question could not be answered")
            told = ExplainError(f"The engine could not answer ({type(error).__name__}).")
            job.frames.put(write_frame(ERROR, write_error(told)))
        finally:
            with self._lock:
                self._jobs.pop(name, None)
            job.frames.put(None)

    def _answer(self, ask: Ask, job: _Job) -> None:
        """Ask the engine, and put what it answers into frames."""
        pictures = [
            self._open(sent, "picture" if len(ask.pictures) == 1 else f"picture {number}")
            for number, sent in enumerate(ask.pictures, 1)
        ]
        volume = None if ask.volume is None else self._open_volume(ask.volume)
        reader = Reader(
            {},
            {
                "$picture": pictures.__getitem__,
                "$volume": lambda _: volume,
                "$array": lambda digest: unpack_array(self.store.get(str(digest))),
            },
            makes=("Window",),
        )
        given = read_arguments(ask.call, {name: reader.read(one) for name, one in ask.arguments.items()})
        loaded = self._load(ask)
        Watch(cancel=job.cancel).stop_if_cancelled()
        call = CALLS[ask.call]
        if "cancel" in call.parameters:
            given["cancel"] = job.cancel
        if "progress" in call.parameters:
            given["progress"] = job.tell

        def refer(value: Any) -> Any:
            if isinstance(value, Picture):
                return {"$picture": next(number for number, one in enumerate(pictures) if one is value)}
            if isinstance(value, Volume):
                return {"$volume": 0}
            return {"$model": 0} if isinstance(value, LoadedModel) else None

        found = getattr(self.engine, ask.call)(model=loaded, **given)
        for one in found if call.streams else ():
            job.frames.put(write_frame(PART, pack(one, refer)))
        if job.ticket is not None:
            job.frames.put(write_frame(TOOK, json.dumps([job.ticket.used, job.ticket.turns]).encode()))
        job.frames.put(write_frame(ANSWER, pack(None if call.streams else found, refer)))

    def _open(self, sent: Sent, name: str) -> Picture:
        def read() -> Picture:
            data = self.store.get(sent.digest)
            if sent.packed:
                return unpack_picture(data, sent.digest, name)
            return decode(data, name, sent.white, sent.rules)

        return self._opened.find(sent.model_dump_json(), read, lambda one: one.pixels.nbytes + one.model_pixels.nbytes)

    def _open_volume(self, sent: Sent) -> Volume:
        return self._volumes.find(
            sent.digest,
            lambda: unpack_volume(self.store.get(sent.digest), sent.digest),
            lambda one: one.stored.nbytes,
        )

    def _load(self, ask: Ask) -> LoadedModel:
        if ask.model.source in _NOT_ELSEWHERE:
            raise ModelError("What was trained on another server is not here. Ask an engine of that server's own.")
        weights = None if ask.weights is None else self.store.get(ask.weights)
        if weights is not None:
            check_weights(weights)
        loaded = self.engine.load(ask.model, weights)
        if ask.fingerprint not in (None, loaded.fingerprint):
            raise ExplainError("The engine holds other weights under this model's name. Load it again.")
        return loaded
