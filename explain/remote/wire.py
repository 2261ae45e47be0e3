"""What crosses between a client and an engine elsewhere: JSON and safetensors, nothing that runs code when it is read.

A question is JSON; names of files are not in it. An answer is a stream of frames: words of progress, and in the end the
answer or an error. A frame is a letter, the length of what follows in eight bytes, and that.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, BinaryIO

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError
from safetensors.numpy import save

from explain import errors
from explain.engine.admission import Kind
from explain.errors import EngineAway, ExplainError, ModelError
from explain.models.request import ModelRequest
from explain.pictures.picture import Picture, build_picture
from explain.pictures.scaling import MOST_WHITE, RULES
from explain.remote.store import UnknownDigest
from explain.remote.values import Reader, open_file, pack
from explain.settings import read_refusal
from explain.volumes.volume import Volume

PROGRESS, WAITS, TOOK, ALIVE, ERROR, PART, ANSWER = b"P", b"W", b"T", b"A", b"E", b"Y", b"M"
"""Letters of frames: how far it is, its place in the queue, what its ticket had of the device, nothing new, what went
wrong, one of several answers, and the answer, with which it ends.
"""

_MOST_BYTES = 2**30
_MOST_PICTURES = 512
_ABOUT = "answer"
_SEED = 8  # digits of a picture's digest that random masks come from; see `Sight.seed`

_Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sent(_Part):
    """A picture of a question.

    Attributes:
        digest: of what was put: a file, or what `pack_picture` or `pack_volume` gave.
        packed: whether it is packed.
        white, rules: of a file, see `explain.pictures.decode.decode`.
    """

    digest: _Digest
    packed: bool = False
    white: int | None = Field(default=None, ge=1, le=MOST_WHITE)
    rules: int = Field(default=RULES, ge=1, le=RULES)


class Asking(_Part):
    """Who asks, so that the engine is fair to all; see `explain.engine.admission.Ticket`.

    Attributes:
        session: stands for the session, and nobody but its own server knows which it is.
        number: of the question among those of its server.
        pane, kind: see there.
    """

    session: _Digest
    number: int = Field(ge=0)
    pane: str = Field(default="", max_length=200)
    kind: Kind = "look"


class Ask(_Part):
    """A question.

    Attributes:
        job: what it goes by, to be cancelled.
        call: which of the engine's methods is asked, of `explain.remote.calls.CALLS`; empty where a model is loaded.
        asking: who asks.
        pictures: those that were put.
        volume: the volume that was put.
        model: which model.
        weights: digest of its checkpoint, which was put, where it comes from a file.
        fingerprint: of the weights that the client means; None where any are meant.
        arguments: the others, as a `Writer` wrote them. What are arrays, was put.
    """

    job: str = Field(pattern="^[0-9a-f]{32}$")
    call: str = Field(default="", max_length=40)
    asking: Asking | None = None
    pictures: tuple[Sent, ...] = Field(default=(), max_length=_MOST_PICTURES)
    volume: Sent | None = None
    model: ModelRequest
    weights: _Digest | None = None
    fingerprint: str | None = None
    arguments: dict[str, JsonValue] = {}


def write_frame(letter: bytes, data: bytes) -> bytes:
    """A frame."""
    return letter + struct.pack(">Q", len(data)) + data


def read_frames(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The frames of a stream, until it ends.

    Raises:
        EngineAway: it ends within one.
    """
    while head := _read(stream, 9):
        length = struct.unpack(">Q", head[1:])[0]
        if length > _MOST_BYTES:
            raise ExplainError("The engine answered something that is no answer.")
        yield head[:1], _read(stream, length)


def _read(stream: BinaryIO, count: int) -> bytes:
    parts: list[bytes] = []
    missing = count
    while missing:
        more = stream.read(missing)
        if not more:
            if parts or count != 9:
                raise EngineAway("The engine's answer ended too early: it was stopped, or is gone. Ask again.")
            break
        parts.append(more)
        missing -= len(more)
    return b"".join(parts)


def write_error(error: ExplainError) -> bytes:
    """An error as its class's name and what it was made of."""
    return json.dumps({"name": type(error).__name__, "args": [str(one) for one in error.args]}).encode()


def read_error(data: bytes) -> ExplainError:
    """The error that was written; one of a class that is not known here keeps its sentence."""
    try:
        told = json.loads(data)
        name, args = str(told["name"]), [str(one) for one in told["args"]]
    except (ValueError, KeyError, TypeError):
        return ExplainError("The engine answered something that is no answer.")
    known = {kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type)}
    kind = (known | {"UnknownDigest": UnknownDigest}).get(name, ExplainError)
    return kind(*args) if issubclass(kind, ExplainError) else ExplainError(*args)


def read_ask(data: bytes) -> Ask:
    """A question.

    Raises:
        ExplainError: it is none.
    """
    try:
        return Ask.model_validate_json(data)
    except ValidationError as error:
        refusal = read_refusal(error)
        raise ExplainError(f"This is no question for an engine: {refusal.path or 'it'}: {refusal.reason}.") from None


def check_weights(data: bytes) -> None:
    """Refuse a checkpoint that is no safetensors: whatever else there is could hold more than numbers.

    Raises:
        ModelError: it is something else.
    """
    if data[8:9] != b"{":
        raise ModelError("Elsewhere only safetensors are taken: save the weights with safetensors.torch.save_file.")


def pack_picture(picture: Picture) -> bytes:
    """A picture that is no file, as the pixels that models are given and what was said of them."""
    about = {"notes": picture.notes, "modality": picture.modality, "source": picture.source}
    about["seed"] = picture.digest[:_SEED]
    return save({"pixels": np.ascontiguousarray(picture.model_pixels)}, {_ABOUT: json.dumps(about)})


def unpack_picture(data: bytes, digest: str, name: str) -> Picture:
    """The picture of what `pack_picture` gave. It goes by the digest of what was put, whatever its sender calls it.

    Raises:
        ExplainError: it is none.
    """
    tensors, about = open_file(data)
    pixels = tensors.get("pixels", np.zeros(0))
    if pixels.ndim != 3 or pixels.dtype not in (np.uint8, np.float32) or 0 in pixels.shape:
        raise ExplainError("What was put is no picture.")
    if not isinstance(about, dict) or (pixels.dtype == np.float32 and not np.isfinite(pixels).all()):
        raise ExplainError("What was put is no picture.")
    own = _name(digest, about.get("seed"))
    picture = build_picture(name, pixels, own, tuple(map(str, about.get("notes", ()))))
    modality, source = about.get("modality"), str(about.get("source", ""))
    return replace(picture, modality=None if modality is None else str(modality), source=source)


def pack_volume(volume: Volume) -> bytes:
    """A volume without its name, its files and what other files outline in it."""
    return pack(volume)


def unpack_volume(data: bytes, digest: str) -> Volume:
    """The volume of what `pack_volume` gave, under a digest as in `unpack_picture`.

    Raises:
        ExplainError: it is none.
    """
    tensors, told = open_file(data)
    try:
        told["$Volume"]["name"] = "volume"
        volume = Reader(tensors, {}).read(told)
        shape = volume.stored.shape
        if not isinstance(volume, Volume) or len(shape) not in (3, 4) or 0 in shape or len(volume.present) != shape[0]:
            raise ValueError(shape)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ExplainError("What was put is no volume.") from None
    return replace(volume, digest=_name(digest, volume.digest[:_SEED]))


def pack_array(array: np.ndarray) -> bytes:
    """An array of a question, to be put."""
    return save({"values": np.ascontiguousarray(array)}, {_ABOUT: "{}"})


def unpack_array(data: bytes) -> np.ndarray:
    """The array of what `pack_array` gave.

    Raises:
        ExplainError: it is none.
    """
    tensors, _ = open_file(data)
    if [*tensors] != ["values"]:
        raise ExplainError("What was put is no array.")
    return tensors["values"]


def find_digest(data: bytes) -> str:
    """What bytes go by, once they are put."""
    return hashlib.sha256(data).hexdigest()


def _name(digest: str, seed: Any) -> str:
    """The digest of what was packed: of its content, but for the digits that random masks come from. Those are its
    sender's, so that its maps are the same wherever they are made; they cannot make it pass for another picture.
    """
    return str(seed) + digest[_SEED:] if re.fullmatch(f"[0-9a-f]{{{_SEED}}}", str(seed)) else digest
