"""An engine elsewhere, asked as if it were here.

It has those methods of `Engine` that ask for maps and classes. What asks for more (judging while one looks, effects,
channels, volumes) is asked of an engine of one's own. Pictures go by their digests and are sent once; their names are
not sent at all.
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter

from explain.bundled.models import FIRST_MODEL
from explain.engine.explanation import Explanation, Prediction
from explain.engine.handed_over import Given, open_pictures, spread
from explain.engine.question import DEFAULT_METHODS, Layers, Targets
from explain.errors import ExplainError, ModelError
from explain.maps.fusion import Fusion
from explain.models.request import ModelRequest, name_model
from explain.passes.look import Score
from explain.pictures.augmentation import Augmentation
from explain.pictures.picture import Picture
from explain.progress import Progress, Watch
from explain.remote.store import UnknownDigest
from explain.remote.wire import (
    ANSWER,
    ERROR,
    PROGRESS,
    Ask,
    RemoteModel,
    Sent,
    check_weights,
    pack_picture,
    read_answer,
    read_error,
)
from explain.settings import Settings
from explain.storage import read_file

Model = str | Path | ModelRequest | RemoteModel
"""A model in any of the ways in which a client may name it."""

_SECONDS_BETWEEN_LOOKS = 0.05
_MOST_SECONDS_BETWEEN_WORDS = 1.0  # that a question is not wanted any more


class Transport(Protocol):
    """How a client reaches an engine. What the engine refuses is raised as the error that it was."""

    def have(self, digest: str) -> bool:
        """Whether the engine holds what was put."""

    def put(self, data: bytes) -> str:
        """Give the engine bytes to keep; their digest."""

    def describe(self) -> bytes:
        """Where models run, as JSON."""

    def load(self, question: bytes) -> bytes:
        """What the model of a question is, as JSON."""

    def explain(self, question: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The frames of the answer; closing them cancels."""

    def cancel(self, job: str) -> None:
        """Stop what is done for a question."""


@dataclass(frozen=True)
class _Parcel:
    """What a question names, and its bytes, to be put if the engine does not hold them."""

    sent: Sent
    data: bytes


class EngineClient:
    """Asks an engine elsewhere. Safe to share by threads; see `Engine` for what its methods take and give.

    Args:
        transport: reaches it.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._weights: dict[str, bytes] = {}

    @property
    def description(self) -> str:
        """Where models run and in which precision, in a short phrase."""
        return str(json.loads(self._transport.describe())["description"])

    @property
    def device(self) -> str:
        """The torch device that models run on, elsewhere."""
        return str(json.loads(self._transport.describe())["device"])

    def load(self, model: Model = FIRST_MODEL, weights: bytes | None = None) -> RemoteModel:
        """Have a model loaded; see `Engine.load`.

        Args:
            model: a name, a request, or the path of a checkpoint.
            weights: the checkpoint's bytes, for a request whose source is a file. Elsewhere only safetensors are taken.

        Raises:
            ModelError: it cannot be found or read, or is no safetensors.
        """
        if isinstance(model, RemoteModel):
            return model
        request, weights = self._name_model(model, weights)
        digest = None
        if weights is not None:
            digest = hashlib.sha256(weights).hexdigest()
            self._weights[digest] = weights
        ask = Ask(job=uuid.uuid4().hex, model=request, weights=digest)
        told = self._putting_again(lambda: self._transport.load(ask.model_dump_json().encode()), {})
        return TypeAdapter(RemoteModel).validate_json(told)

    def predict(self, picture: Given, model: Model = FIRST_MODEL, top: int = 5) -> tuple[Prediction, ...]:
        """The likeliest classes of a picture with their probabilities, likeliest first."""
        return self._answer(picture, self.load(model), {"top": top}, Watch()).pictures[0].predictions

    def explain(
        self,
        pictures: Given | Iterable[Given],
        model: Model = FIRST_MODEL,
        methods: str | Sequence[str] = DEFAULT_METHODS,
        layer: Layers = "auto",
        target: Targets = "auto",
        settings: Mapping[str, Settings | Mapping[str, Any]] | None = None,
        score: Score = "logit",
        fusion: Fusion = "none",
        augmentation: Augmentation = "none",
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
        verdicts: bool = False,
    ) -> Explanation:
        """Explain pictures by several methods; see `Engine.explain`. The answer's `model` is a `RemoteModel`."""
        asked = {
            "methods": (methods,) if isinstance(methods, str) else tuple(methods),
            "layer": _freeze(layer),
            "target": _freeze(target),
            "settings": {name: _write_settings(chosen) for name, chosen in (settings or {}).items()},
            "score": score,
            "fusion": fusion,
            "augmentation": augmentation,
            "verdicts": verdicts,
        }
        return self._answer(pictures, self.load(model), asked, Watch(progress, cancel))

    def _answer(
        self, pictures: Given | Iterable[Given], model: RemoteModel, asked: Mapping[str, Any], watch: Watch
    ) -> Explanation:
        """What is answered of pictures, once the engine has them."""
        given = spread(pictures)
        opened = open_pictures(given)
        parcels = [_pack(one, picture) for one, picture in zip(given, opened, strict=True)]
        ask = Ask(
            job=uuid.uuid4().hex,
            pictures=tuple(parcel.sent for parcel in parcels),
            model=model.request,
            weights=model.weights,
            fingerprint=model.fingerprint,
            **asked,
        )
        bytes_of = {parcel.sent.digest: parcel.data for parcel in parcels}
        for digest, data in bytes_of.items():
            watch.stop_if_cancelled()
            if not self._transport.have(digest):
                self._transport.put(data)
        return read_answer(self._putting_again(lambda: self._ask(ask, watch), bytes_of), opened)

    def forget(self) -> None:
        """Drop what is kept here of checkpoints. What an engine elsewhere keeps goes by itself."""
        self._weights.clear()

    def _name_model(self, model: str | Path | ModelRequest, weights: bytes | None) -> tuple[ModelRequest, bytes | None]:
        request, weights = name_model(model, weights)
        if not isinstance(request, ModelRequest):
            raise ModelError("A network of one's own is not sent elsewhere. Save its weights, and name the file.")
        if weights is not None:
            check_weights(weights)
        return request, weights

    def _putting_again(self, ask: Any, bytes_of: Mapping[str, bytes]) -> bytes:
        """What is answered; what the engine let go of since it was put, or never had, is put once more."""
        known = {**self._weights, **bytes_of}
        for _ in range(len(known)):
            try:
                return bytes(ask())
            except UnknownDigest as error:
                if error.digest not in known:
                    raise
                self._transport.put(known.pop(error.digest))
        return bytes(ask())

    def _ask(self, ask: Ask, watch: Watch) -> bytes:
        watch.stop_if_cancelled()
        frames: Any = self._transport.explain(ask.model_dump_json().encode())
        with closing(frames), self._following(ask.job, watch.cancel):
            for letter, data in frames:
                if letter == PROGRESS:
                    share, text = json.loads(data)
                    watch.report(float(share), str(text))
                if letter == ERROR:
                    raise read_error(data)
                if letter == ANSWER:
                    return bytes(data)
        raise ExplainError("The engine's answer ended too early: it was stopped, or is gone. Ask again.")

    @contextmanager
    def _following(self, job: str, cancel: threading.Event | None) -> Iterator[None]:
        """While entered, the engine is told once the person stops the work."""
        over = threading.Event()

        def follow(stop: threading.Event) -> None:
            pause = _SECONDS_BETWEEN_LOOKS
            while not over.wait(pause):
                if stop.is_set():
                    # Again and again: one may come before the engine knows of the question, or get lost.
                    with suppress(ExplainError):
                        self._transport.cancel(job)
                    pause = min(2 * pause, _MOST_SECONDS_BETWEEN_WORDS)

        if cancel is not None:
            threading.Thread(target=follow, args=(cancel,), daemon=True, name="remote-cancel").start()
        try:
            yield
        finally:
            over.set()


def _pack(given: Any, picture: Picture) -> _Parcel:
    """A file's bytes as they are; of what is no file, the pixels."""
    data = None
    if isinstance(given, (bytes, bytearray, memoryview)):
        data = bytes(given)
    elif isinstance(given, (str, Path)):
        data = read_file(Path(given))
    if data is None or hashlib.sha256(data).hexdigest() != picture.source:
        data = pack_picture(picture)
        return _Parcel(Sent(digest=hashlib.sha256(data).hexdigest(), packed=True), data)
    return _Parcel(Sent(digest=picture.source, white=picture.white, rules=picture.rules), data)


def _write_settings(chosen: Settings | Mapping[str, Any]) -> dict[str, Any]:
    return chosen.model_dump(mode="json") if isinstance(chosen, Settings) else dict(chosen)


def _freeze(value: Any) -> Any:
    return value if isinstance(value, (str, int)) else tuple(value)
