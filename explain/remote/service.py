"""What an engine does for clients elsewhere: it keeps what they put, and answers what they ask. Knows no network."""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Iterator, Sequence

from explain.engine.engine import Engine
from explain.engine.explanation import Explanation, PictureExplanation
from explain.errors import ExplainError
from explain.models.loaded import LoadedModel
from explain.pictures.decode import decode
from explain.pictures.picture import Picture
from explain.progress import Watch
from explain.remote.store import Store
from explain.remote.wire import (
    ALIVE,
    ANSWER,
    ERROR,
    PROGRESS,
    Ask,
    RemoteModel,
    Sent,
    check_weights,
    read_ask,
    unpack_picture,
    write_answer,
    write_error,
    write_frame,
    write_model,
)

MOST_JOBS = 64
"""Questions that may wait or be worked on."""

_SECONDS_OF_SILENCE = 1.0
_log = logging.getLogger(__name__)


class Service:
    """Answers questions. Safe to share by threads.

    Args:
        engine: answers.
        store: keeps what is put.
    """

    def __init__(self, engine: Engine, store: Store | None = None) -> None:
        self.engine, self.store = engine, store or Store()
        self._jobs: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def describe(self) -> bytes:
        """Where models run, as JSON."""
        told = {
            "device": self.engine.device,
            "precision": self.engine.precision,
            "description": self.engine.description,
        }
        return json.dumps(told).encode()

    def load(self, question: bytes) -> bytes:
        """Load the model of a question, and say what it is, as JSON.

        Raises:
            ExplainError: it cannot be had.
        """
        ask = read_ask(question)
        return json.dumps(write_model(describe_model(self._load(ask), ask.weights))).encode()

    def explain(self, question: bytes) -> Iterator[bytes]:
        """The frames of the answer. Whoever closes them cancels the work."""
        frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        cancel = threading.Event()
        threading.Thread(target=self._work, args=(question, frames, cancel), daemon=True, name="remote-job").start()
        try:
            while True:
                try:
                    frame = frames.get(timeout=_SECONDS_OF_SILENCE)
                except queue.Empty:
                    frame = write_frame(ALIVE, b"")  # so that it is noticed when nobody listens any more
                if frame is None:
                    return
                yield frame
        finally:
            cancel.set()

    def cancel(self, job: str) -> None:
        """Stop what is done for a question; of one that is over, nothing."""
        with self._lock:
            found = self._jobs.get(job)
        if found is not None:
            found.set()

    @property
    def running(self) -> int:
        """Questions that are worked on."""
        with self._lock:
            return len(self._jobs)

    def _work(self, question: bytes, frames: queue.SimpleQueue[bytes | None], cancel: threading.Event) -> None:
        """Answer a question into frames, whatever happens."""
        job = ""
        try:
            ask = read_ask(question)
            with self._lock:
                if len(self._jobs) >= MOST_JOBS or ask.job in self._jobs:
                    raise ExplainError("The engine has too much to do. Ask again in a minute.")
                self._jobs[ask.job] = cancel
            job = ask.job
            frames.put(write_frame(ANSWER, self._answer(ask, frames, cancel)))
        except ExplainError as error:
            frames.put(write_frame(ERROR, write_error(error)))
        except Exception as error:
            _log.exception("A question could not be answered")
            told = ExplainError(f"The engine could not answer ({type(error).__name__}).")
            frames.put(write_frame(ERROR, write_error(told)))
        finally:
            with self._lock:
                self._jobs.pop(job, None)
            frames.put(None)

    def _answer(self, ask: Ask, frames: queue.SimpleQueue[bytes | None], cancel: threading.Event) -> bytes:
        def tell(share: float, text: str) -> None:
            frames.put(write_frame(PROGRESS, json.dumps([share, text]).encode()))

        pictures = [
            self._open(sent, "picture" if len(ask.pictures) == 1 else f"picture {number}")
            for number, sent in enumerate(ask.pictures, 1)
        ]
        loaded = self._load(ask)
        Watch(cancel=cancel).stop_if_cancelled()
        model = describe_model(loaded, ask.weights)
        if ask.top is not None:
            return write_answer(self._predict(pictures, loaded, ask.top), model)
        answer = self.engine.explain(
            pictures,
            loaded,
            ask.methods,
            ask.layer,
            ask.target,
            ask.settings,
            ask.score,
            ask.fusion,
            ask.augmentation,
            tell,
            cancel,
            verdicts=ask.verdicts,
        )
        return write_answer(answer, model)

    def _predict(self, pictures: Sequence[Picture], loaded: LoadedModel, top: int) -> Explanation:
        """The likeliest classes of pictures, and no maps."""
        answers = [
            PictureExplanation(picture, self.engine.predict(picture, loaded, top), (), (), (), (), (), {})
            for picture in pictures
        ]
        return Explanation(loaded, tuple(answers), device=self.engine.description)

    def _open(self, sent: Sent, name: str) -> Picture:
        data = self.store.get(sent.digest)
        if sent.packed:
            return unpack_picture(data, sent.digest, name)
        return decode(data, name, sent.white, sent.rules)

    def _load(self, ask: Ask) -> LoadedModel:
        weights = None if ask.weights is None else self.store.get(ask.weights)
        if weights is not None:
            check_weights(weights)
        loaded = self.engine.load(ask.model, weights)
        if ask.fingerprint not in (None, loaded.fingerprint):
            raise ExplainError("The engine holds other weights under this model's name. Load it again.")
        return loaded


def describe_model(loaded: LoadedModel, weights: str | None) -> RemoteModel:
    """What a client is told of a model."""
    layers = tuple(layer.name for layer in loaded.layers)
    return RemoteModel(loaded.request, loaded.labels, loaded.fingerprint, layers, loaded.outputs, loaded.notes, weights)
