"""An engine elsewhere, asked as if it were here.

It has those methods of `Engine` that `explain.remote.calls.CALLS` names: each goes the same way. Pictures go by their
digests and are sent once; their names are not sent at all. Who asks goes as a number that only this process can read.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np

from explain.bundled.models import FIRST_MODEL
from explain.bundled.pictures import find_bundled
from explain.datasets.loose import LoosePicture
from explain.engine.admission import ASKING, Ticket
from explain.engine.figures import Figures
from explain.engine.handed_over import open_pictures, spread
from explain.errors import EngineAway, ExplainError, ModelError
from explain.models.loaded import LoadedModel
from explain.models.request import ModelRequest, name_model
from explain.passes.count import Passes
from explain.pictures.picture import Picture
from explain.progress import Watch
from explain.remote.calls import CALLS, write_argument
from explain.remote.model import ELSEWHERE, RemoteModel, read_model
from explain.remote.store import UnknownDigest
from explain.remote.values import Reader, Writer, unpack
from explain.remote.wire import (
    ANSWER,
    ERROR,
    PART,
    PROGRESS,
    TOOK,
    WAITS,
    Ask,
    Asking,
    Sent,
    check_weights,
    find_digest,
    pack_array,
    pack_picture,
    pack_volume,
    read_error,
)
from explain.rights import need, record
from explain.storage import read_file
from explain.volumes.volume import Volume

if TYPE_CHECKING:
    from explain.methods import Method, Settings

Model = str | Path | ModelRequest | RemoteModel
"""A model in any of the ways in which a client may name it."""

_SECONDS_BETWEEN_LOOKS = 0.05
_MOST_SECONDS_BETWEEN_WORDS = 1.0  # that a question is not wanted any more
_MOST_KNOWN = 4096  # digests of what was put
_OWN = ("model", "progress", "cancel")
_PICTURES = ("picture", "pictures", "references")  # arguments that may be given in other ways than opened


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


class _Parcels:
    """What a question names, to be put if the engine does not hold it.

    Args:
        known: what was packed before, by the picture.
    """

    def __init__(self, known: WeakKeyDictionary[Picture, Sent]) -> None:
        self._known = known
        self._places: dict[int, int] = {}
        self._files: dict[int, bytes] = {}
        self._volume: tuple[Volume, Sent] | None = None
        self.pictures: list[Picture] = []
        self.sent: list[Sent] = []
        self.making: dict[str, Callable[[], bytes]] = {}

    @property
    def volume(self) -> Sent | None:
        """The volume that is asked about."""
        return None if self._volume is None else self._volume[1]

    def open(self, given: Any) -> tuple[Picture, ...]:
        """Pictures of what was handed over, whose files are sent as they are."""
        several = spread(given)
        opened = open_pictures(several)
        for one, picture in zip(several, opened, strict=True):
            data = None
            if isinstance(one, (bytes, bytearray, memoryview)):
                data = bytes(one)
            elif isinstance(one, LoosePicture):
                data = one.data
            elif isinstance(one, (str, Path)):
                data = read_file(Path(one))
            if data is not None and find_digest(data) == picture.source:
                self._files[id(picture)] = data
        return tuple(opened)

    def refer(self, value: Any) -> Any:
        """What stands for a picture, a volume or an array; None for all else."""
        if isinstance(value, Picture):
            if id(value) not in self._places:
                self._places[id(value)] = len(self.sent)
                self.pictures.append(value)  # and keeps it, so that its id is no other's
                self.sent.append(self._send(value))
            return {"$picture": self._places[id(value)]}
        if isinstance(value, Volume):
            if self._volume is None:
                data = pack_volume(value)
                self._volume = value, Sent(digest=self._add(data), packed=True)
            return {"$volume": 0}
        if isinstance(value, np.ndarray):
            return {"$array": self._add(pack_array(value))}
        return None

    def find(self, model: RemoteModel) -> dict[str, Callable[[Any], Any]]:
        """How what did not cross is found in an answer."""
        return {
            "$picture": lambda place: self.pictures[place],
            "$volume": lambda _: None if self._volume is None else self._volume[0],
            "$model": lambda _: model,
        }

    def _send(self, picture: Picture) -> Sent:
        data = self._files.get(id(picture))
        entry = find_bundled(picture.digest) if picture.digest == picture.source else None
        if data is None and entry is not None:  # its file is at hand, and as a file it keeps its digest
            found = entry.path.read_bytes()
            data = found if find_digest(found) == picture.source else None
        if data is not None:
            file = data
            self.making[picture.source] = lambda: file
            return Sent(digest=picture.source, white=picture.white, rules=picture.rules)
        sent = self._known.get(picture)
        if sent is None:
            sent = Sent(digest=find_digest(pack_picture(picture)), packed=True)
            self._known[picture] = sent
        self.making[sent.digest] = lambda: pack_picture(picture)
        return sent

    def _add(self, data: bytes) -> str:
        digest = find_digest(data)
        self.making[digest] = lambda: data
        return digest


class EngineClient:
    """Asks an engine elsewhere. Safe to share by threads; see `Engine` for what its methods take and give.

    Args:
        transport: reaches it.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._key = secrets.token_bytes(32)
        self._packed: WeakKeyDictionary[Picture, Sent] = WeakKeyDictionary()
        self._put: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        call = CALLS.get(name)
        if call is None:
            raise AttributeError(name)
        ask = self._stream if call.streams else self._call
        return lambda *args, **told: ask(name, call.bind(args, told))

    def describe(self) -> dict[str, Any]:
        """Where models run, and how the engine and its queue are: `device`, `description`, `half_speed`, `figures`.

        Raises:
            EngineAway: it does not answer.
        """
        told: dict[str, Any] = Reader({}, {}).read(json.loads(self._transport.describe()))
        return told

    @property
    def description(self) -> str:
        """Where models run and in which precision, in a short phrase."""
        return str(self.describe()["description"])

    @property
    def device(self) -> str:
        """The torch device that models run on, elsewhere."""
        return str(self.describe()["device"])

    @property
    def half_speed(self) -> float:
        """How fast half precision is there, see `measure_half`."""
        return float(self.describe()["half_speed"])

    @property
    def passes(self) -> Passes:
        """Passes of all networks since the engine was made, for all who ask it."""
        figures = self.read_figures()
        return Passes(figures.forward, figures.backward)

    def read_figures(self) -> Figures:
        """How the engine and its queue are by now, for all who ask it."""
        figures: Figures = self.describe()["figures"]
        return figures

    def load(self, model: Model = FIRST_MODEL, weights: bytes | None = None) -> RemoteModel:
        """Have a model loaded; see `Engine.load`.

        Args:
            model: a name, a request, or the path of a checkpoint.
            weights: the checkpoint's bytes, for a request whose source is a file. Elsewhere only safetensors are taken.

        Raises:
            ModelError: it cannot be found or read, is no safetensors, or was trained here.
        """
        if isinstance(model, RemoteModel):
            return model
        if isinstance(model, LoadedModel):
            raise ModelError(ELSEWHERE)
        request, weights = name_model(model, weights)
        if not isinstance(request, ModelRequest):
            raise ModelError("A network of one's own is not sent elsewhere. Save its weights, and name the file.")
        if request.source == "prompts":
            raise ModelError(f"Prompts that were trained here are not sent elsewhere. {ELSEWHERE}")
        making: dict[str, Callable[[], bytes]] = {}
        digest = None
        if weights is not None:
            need("models")
            check_weights(weights)
            digest, kept = find_digest(weights), weights
            making[digest] = lambda: kept
        ask = Ask(job=uuid.uuid4().hex, model=request, weights=digest)
        told = self._putting(lambda: self._transport.load(ask.model_dump_json().encode()), making)
        return read_model(told, weights)

    def estimate_seconds(
        self, model: RemoteModel, method: Method, layer: str = "auto", settings: Settings | None = None
    ) -> float | None:
        """See `Engine.estimate_seconds`; of a method that runs nothing by itself, nobody need be asked."""
        if method.count_passes is None or not model.layers:
            return None
        seconds: float | None = self._call(
            "estimate_seconds", CALLS["estimate_seconds"].bind((model, method, layer, settings), {})
        )
        return seconds

    def _call(self, name: str, given: Mapping[str, Any]) -> Any:
        """The one answer."""
        (found,) = self._stream(name, given)
        return found

    def _stream(self, name: str, given: Mapping[str, Any]) -> Iterator[Any]:
        """The answers, one after the other."""
        call, parcels = CALLS[name], _Parcels(self._packed)
        watch = Watch(given.get("progress"), given.get("cancel"))
        watch.stop_if_cancelled()
        model = self.load(given.get("model", FIRST_MODEL))
        arguments: dict[str, Any] = {}
        writer = Writer(parcels.refer)
        for key, value in given.items():
            if key in _OWN:
                continue
            if key not in call.takes:
                if value is None:
                    continue
                raise ExplainError(f"“{key}” does not cross to an engine elsewhere. {ELSEWHERE}")
            if key in _PICTURES and value is not None:
                value = parcels.open(value)
                value = value[0] if key == "picture" else value
            arguments[key] = writer.write(write_argument(key, value))
        if model.checkpoint is not None and model.weights is not None:
            checkpoint = model.checkpoint
            parcels.making[model.weights] = lambda: checkpoint
        ask = Ask(
            job=uuid.uuid4().hex,
            call=name,
            asking=self._describe_asker(ASKING.get()),
            pictures=tuple(parcels.sent),
            volume=parcels.volume,
            model=model.request,
            weights=model.weights,
            fingerprint=model.fingerprint,
            arguments=arguments,
        )
        for picture in parcels.pictures if name == "explain" else ():
            record("explain", picture.digest, model.fingerprint)
        for data in self._ask(ask, watch, parcels.making):
            found = unpack(data, parcels.find(model))
            if found is not None or not call.streams:
                yield found

    def _describe_asker(self, ticket: Ticket | None) -> Asking:
        """Who asks, in a way that says nothing of them."""
        ticket = ticket or Ticket()
        session = hmac.new(self._key, ticket.session.encode(), "sha256").hexdigest()
        return Asking(session=session, number=ticket.number, pane=ticket.pane, kind=ticket.kind)

    def _putting(
        self, ask: Callable[[], Any], making: Mapping[str, Callable[[], bytes]], watch: Watch | None = None
    ) -> Any:
        """What is answered. What the engine may not hold is put before; what it let go of since, once more."""
        for digest, make in making.items():
            if watch is not None:
                watch.stop_if_cancelled()
            with self._lock:
                known = digest in self._put
            if not known:
                if not self._transport.have(digest):
                    self._transport.put(make())
                self._note(digest)
        again = dict(making)
        while True:
            try:
                return ask()
            except UnknownDigest as error:
                if error.digest not in again:
                    raise
                self._transport.put(again.pop(error.digest)())

    def _note(self, digest: str) -> None:
        """Remember that something was put."""
        with self._lock:
            self._put[digest] = None
            while len(self._put) > _MOST_KNOWN:
                self._put.popitem(last=False)

    def _ask(self, ask: Ask, watch: Watch, making: Mapping[str, Callable[[], bytes]]) -> Iterator[bytes]:
        """The answers to a question."""
        question = ask.model_dump_json().encode()

        def begin() -> tuple[Any, bytes, bytes]:
            watch.stop_if_cancelled()
            frames: Any = self._transport.explain(question)
            try:
                return frames, *self._read_to_answer(frames, watch)
            except BaseException:
                frames.close()
                raise

        with self._following(ask.job, watch.cancel):
            frames, letter, data = self._putting(begin, making, watch)
            with closing(frames):
                while True:
                    yield data
                    if letter == ANSWER:
                        return
                    letter, data = self._read_to_answer(frames, watch)

    def _read_to_answer(self, frames: Iterator[tuple[bytes, bytes]], watch: Watch) -> tuple[bytes, bytes]:
        """The next answer; what is said before it, is told."""
        ticket = ASKING.get()
        try:
            for letter, data in frames:
                if letter == WAITS and ticket is not None:
                    ticket.elsewhere = data.decode("utf-8", "replace")[:200]
                if letter == TOOK and ticket is not None:
                    used, turns = json.loads(data)
                    ticket.used, ticket.turns = max(ticket.used, float(used)), max(ticket.turns, int(turns))
                if letter == PROGRESS:
                    share, text = json.loads(data)
                    watch.report(float(share), str(text))
                if letter == ERROR:
                    raise read_error(data)
                if letter in (PART, ANSWER):
                    return letter, data
        finally:
            if ticket is not None:
                ticket.elsewhere = ""
        raise EngineAway("The engine's answer ended too early: it was stopped, or is gone. Ask again.")

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
