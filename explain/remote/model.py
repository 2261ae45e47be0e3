"""What is known here of a model that is loaded elsewhere. Its network is not here, and whoever wants it is told so."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NoReturn

from explain.engine.question import find_obstacle
from explain.errors import ModelError
from explain.methods import all_methods
from explain.models.loaded import LoadedModel
from explain.models.request import ModelRequest
from explain.remote.values import Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Mapping

ELSEWHERE = "This needs an engine of this server's own: the one that it asks is elsewhere, and the network with it."
"""Said where something cannot be asked of an engine elsewhere."""

_CROSS = ("preprocessing", "labels", "fingerprint", "layers", "notes", "best_layer", "outputs")


class Elsewhere:
    """Stands for a network that is not here."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # what Python asks of everything
            raise AttributeError(name)
        raise ModelError(ELSEWHERE)


@dataclass(frozen=True, eq=False)
class RemoteModel(LoadedModel):
    """See `LoadedModel`.

    Attributes:
        weights: digest of its checkpoint, where it came from a file.
        checkpoint: its bytes, to be put again where the engine was started anew.
        obstacles: by method, why it cannot work on this model.
        parts: whether heads and MLPs of it can be told apart.
    """

    weights: str | None = None
    checkpoint: bytes | None = field(default=None, repr=False)
    obstacles: Mapping[str, str] = field(default_factory=dict)
    parts: bool = False

    @property
    def has_parts(self) -> bool:
        """See `LoadedModel`."""
        return self.parts

    def find_told_obstacle(self, method: str) -> str | None:
        """See `LoadedModel`."""
        return self.obstacles.get(method, "")


def write_model(loaded: LoadedModel, weights: str | None) -> bytes:
    """What a client is told of a model, as JSON."""
    obstacles = {name: find_obstacle(method, loaded) for name, method in all_methods().items()}
    told = {name: getattr(loaded, name) for name in _CROSS} | {
        "weights": weights,
        "obstacles": {name: reason for name, reason in obstacles.items() if reason is not None},
        "parts": loaded.has_parts,
        "prompted": loaded.prompted is not None,
        "request": loaded.request.model_dump_json(),
    }
    return json.dumps(Writer().write(told)).encode()


def read_model(data: bytes, checkpoint: bytes | None) -> RemoteModel:
    """The model of what `write_model` gave.

    Args:
        data: it.
        checkpoint: see `RemoteModel`.

    Raises:
        ExplainError: it is none.
    """
    told: dict[str, Any] = {}
    try:
        told = dict(Reader({}, {}).read(json.loads(data)))
        prompted = Elsewhere() if told.pop("prompted") else None
        request = ModelRequest.model_validate_json(told.pop("request"))
        assert told.keys() <= {one.name for one in fields(RemoteModel)}
        return RemoteModel(
            request=request,
            module=Elsewhere(),  # type: ignore[arg-type]
            prompted=prompted,  # type: ignore[arg-type]
            checkpoint=checkpoint,
            **told,
        )
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise ModelError(f"The engine answered something that is no model ({type(error).__name__}).") from None
