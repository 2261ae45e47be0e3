"""What crosses between a client and an engine elsewhere: JSON and safetensors, nothing that runs code when it is read.

A question is JSON; names of files are not in it. An answer is a stream of frames: words of progress, and in the end the
maps or an error. A frame is a letter, the length of what follows in eight bytes, and that.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, BinaryIO

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from explain import errors
from explain.engine.explanation import Explanation, PictureExplanation, Prediction
from explain.errors import ExplainError, ModelError
from explain.faithfulness.unlike import Unlikeness
from explain.faithfulness.verdict import Verdict
from explain.maps.fusion import Fusion
from explain.maps.heatmap import Heatmap
from explain.methods import get_method
from explain.models.request import ModelRequest
from explain.networks.meaning import Outputs
from explain.passes.count import Passes
from explain.passes.look import Score
from explain.pictures.augmentation import Augmentation
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture, build_picture
from explain.pictures.scaling import MOST_WHITE, RULES
from explain.remote.store import UnknownDigest
from explain.settings import read_refusal

PROGRESS, ALIVE, ERROR, ANSWER = b"P", b"A", b"E", b"M"
"""Letters of frames: how far it is, nothing new, what went wrong, the maps."""

_MOST_BYTES = 2**30
_MOST_PICTURES = 256
_ABOUT = "answer"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sent(_Part):
    """A picture of a question.

    Attributes:
        digest: of what was put: a file, or pixels packed by `pack_picture`.
        packed: whether it is pixels.
        white, rules: of a file, see `explain.pictures.decode.decode`.
    """

    digest: str = Field(pattern="^[0-9a-f]{64}$")
    packed: bool = False
    white: int | None = Field(default=None, ge=1, le=MOST_WHITE)
    rules: int = Field(default=RULES, ge=1, le=RULES)


class Ask(_Part):
    """A question.

    Attributes:
        job: what it goes by, to be cancelled.
        pictures: those that were put.
        model: which model.
        weights: digest of its checkpoint, which was put, where it comes from a file.
        fingerprint: of the weights that the client means; None where any are meant.
        top: only the likeliest classes are asked for, and so many.

    The others are those of `Engine.explain`.
    """

    job: str = Field(pattern="^[0-9a-f]{32}$")
    pictures: tuple[Sent, ...] = Field(default=(), max_length=_MOST_PICTURES)
    model: ModelRequest
    weights: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    fingerprint: str | None = None
    methods: tuple[str, ...] = ()
    layer: str | tuple[str, ...] = "auto"
    target: int | str | tuple[int | str, ...] = "auto"
    settings: dict[str, dict[str, Any]] = {}
    score: Score = "logit"
    fusion: Fusion = "none"
    augmentation: Augmentation = "none"
    verdicts: bool = False
    top: int | None = Field(default=None, ge=1)


@dataclass(frozen=True)
class RemoteModel:
    """What is known here of a model that is loaded elsewhere; see `LoadedModel`.

    Attributes:
        layers: names of those that can be explained.
        weights: digest of its checkpoint, where it came from a file.
    """

    request: ModelRequest
    labels: tuple[str, ...]
    fingerprint: str
    layers: tuple[str, ...]
    outputs: Outputs
    notes: tuple[str, ...] = ()
    weights: str | None = None


def write_frame(letter: bytes, data: bytes) -> bytes:
    """A frame."""
    return letter + struct.pack(">Q", len(data)) + data


def read_frames(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The frames of a stream, until it ends.

    Raises:
        ExplainError: it ends within one.
    """
    while head := _read(stream, 9):
        length = struct.unpack(">Q", head[1:])[0]
        if length > _MOST_BYTES:
            raise ExplainError("The engine answered something that is no answer.")
        yield head[:1], _read(stream, length)


def _read(stream: BinaryIO, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = stream.read(count - len(data))
        if not more:
            if data or count != 9:
                raise ExplainError("The engine's answer ended too early: it was stopped, or is gone. Ask again.")
            break
        data += more
    return data


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
    about = json.dumps({"notes": picture.notes, "modality": picture.modality})
    return save({"pixels": np.ascontiguousarray(picture.model_pixels)}, {_ABOUT: about})


def unpack_picture(data: bytes, digest: str, name: str) -> Picture:
    """The picture of what `pack_picture` gave. It goes by the digest of what was put, whatever its sender calls it.

    Raises:
        ExplainError: it is none.
    """
    tensors, about = _open_tensors(data)
    pixels = tensors.get("pixels", np.zeros(0))
    if pixels.ndim != 3 or pixels.dtype not in (np.uint8, np.float32) or 0 in pixels.shape:
        raise ExplainError("What was put is no picture.")
    picture = build_picture(name, pixels, f"packed-{digest}", tuple(map(str, about.get("notes", ()))))
    modality = about.get("modality")
    return replace(picture, modality=None if modality is None else str(modality))


def write_model(model: RemoteModel) -> dict[str, Any]:
    """A model as JSON holds it."""
    return TypeAdapter(RemoteModel).dump_python(model, mode="json")


def write_answer(answer: Explanation, model: RemoteModel) -> bytes:
    """All that was answered but the pictures: the maps as tensors, the rest in the file's metadata."""
    tensors: dict[str, np.ndarray] = {}
    pictures = []
    for number, entry in enumerate(answer.pictures):
        maps = []
        for place, heatmap in enumerate(entry.maps):
            key = f"{number}/{place}"
            tensors[key] = np.ascontiguousarray(heatmap.values, dtype=np.float32)
            details = {}
            for name, value in heatmap.details.items():
                if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
                    tensors[f"{key}/{name}"] = np.ascontiguousarray(value)
                else:
                    details[name] = value
            maps.append({"key": key, "details": details} | _write_fields(heatmap, ("values", "details", "settings")))
            maps[-1]["settings"] = heatmap.settings.model_dump(mode="json")
        told = _write_fields(entry, ("picture", "maps", "effects", "masks", "verdicts", "unlike"))
        told |= {"maps": maps, "unlike": asdict(entry.unlike)}
        pictures.append(told | {"verdicts": {key: asdict(one) for key, one in entry.verdicts.items()}})
    told = {name: getattr(answer, name) for name in ("score", "fusion", "augmentation", "device")}
    return save(
        tensors, {_ABOUT: json.dumps(told | {"model": write_model(model), "pictures": pictures}, default=_plain)}
    )


def read_answer(data: bytes, pictures: Sequence[Picture]) -> Explanation:
    """The answer on some pictures, as `Engine.explain` would have given it; its `model` is a `RemoteModel`.

    Raises:
        ExplainError: it is none.
    """
    tensors, about = _open_tensors(data)
    try:
        entries = [
            _read_entry(told, picture, tensors) for told, picture in zip(about["pictures"], pictures, strict=True)
        ]
        told = {name: about[name] for name in ("score", "fusion", "augmentation", "device")}
        return Explanation(TypeAdapter(RemoteModel).validate_python(about["model"]), tuple(entries), **told)  # type: ignore[arg-type]
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ExplainError(f"The engine answered something that is no answer ({type(error).__name__}).") from None


def _read_entry(told: dict[str, Any], picture: Picture, tensors: Mapping[str, np.ndarray]) -> PictureExplanation:
    maps = []
    for one in told.pop("maps"):
        key, method = one.pop("key"), get_method(one["method"])
        start = f"{key}/"
        arrays = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
        values = tensors[key]
        values.setflags(write=False)
        one |= {"values": values, "details": one["details"] | arrays, "box": Box(*one["box"])}
        one |= {"settings": method.settings.model_validate(one["settings"])}
        one |= {name: Passes(**one[name]) for name in ("passes", "own_passes")}
        maps.append(Heatmap(**{name: _freeze(value) for name, value in one.items()}))
    for name in ("predictions", "prompt_predictions"):
        told[name] = tuple(Prediction(**one) for one in told[name])
    unlike = TypeAdapter(Unlikeness).validate_python(told.pop("unlike"))
    verdicts = {key: TypeAdapter(Verdict).validate_python(one) for key, one in told.pop("verdicts").items()}
    told = {name: _freeze(value) for name, value in told.items()}
    return PictureExplanation(picture=picture, maps=tuple(maps), unlike=unlike, verdicts=verdicts, **told)


def _write_fields(value: Any, but: Sequence[str]) -> dict[str, Any]:
    """The fields of a dataclass as JSON holds them."""
    return {one.name: getattr(value, one.name) for one in fields(value) if one.name not in but}


def _freeze(value: Any) -> Any:
    """Lists as the tuples that they were."""
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """What JSON has no word for."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)


def _open_tensors(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tensors of a safetensors file, and what its metadata says.

    Raises:
        ExplainError: it is none.
    """
    try:
        tensors = load(data)
        length = struct.unpack("<Q", data[:8])[0]  # the library hands the metadata out of files on a disk only
        about = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_ABOUT])
    except (SafetensorError, ValueError, KeyError, TypeError, struct.error):
        raise ExplainError("What was sent is damaged, or is something else.") from None
    if not isinstance(about, dict):
        raise ExplainError("What was sent is damaged, or is something else.")
    return tensors, about
