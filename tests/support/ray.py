"""A stand-in for Ray, in which actors work when they are heard, in this process, and die when `Died` is raised."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class Died(BaseException):
    """In an actor: its process is gone."""


class RayError(Exception):
    """Base of what Ray raises."""


class RayActorError(RayError):
    """An actor died."""


class Ray:
    """What is used of the library.

    Attributes:
        told: what it was started with.
        made: the options of each actor.
        killed: the actors that were ended.
        open: whether it is connected.
    """

    exceptions = SimpleNamespace(
        RayError=RayError, RayActorError=RayActorError, OutOfMemoryError=type("OutOfMemoryError", (RayError,), {})
    )

    def __init__(self, **resources: float) -> None:
        self.resources = resources or {"CPU": 2.0}
        self.told: dict[str, Any] = {}
        self.made: list[dict[str, Any]] = []
        self.killed: list[Any] = []
        self.open = False

    def init(self, **told: Any) -> None:
        """Connect."""
        if told["address"] == "nowhere:1":
            raise ConnectionError("Ray could not find it.\n\nNobody listens at nowhere:1.")
        self.told, self.open = told, True

    def shutdown(self) -> None:
        """Part."""
        self.open = False

    def cluster_resources(self) -> dict[str, float]:
        """What it has."""
        return dict(self.resources)

    def remote(self, **options: Any) -> Callable[[type], Any]:
        """A class whose objects are actors."""

        def make(order: str, kind: type) -> Any:
            self.made.append(options)
            return _Actor(kind(order))

        return lambda kind: SimpleNamespace(remote=lambda order: make(order, kind))

    def wait(self, calls: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        """The oldest call is the first that is done."""
        assert num_returns == 1 and timeout
        return calls[:1], calls[1:]

    def get(self, call: Callable[[], Any]) -> Any:
        """What a call answers."""
        try:
            return call()
        except Died:
            raise RayActorError("The actor died.\nIts process was killed.") from None

    def kill(self, actor: Any) -> None:
        """End one."""
        self.killed.append(actor)


class _Actor:
    def __init__(self, held: Any) -> None:
        self._held = held

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *args: lambda: getattr(self._held, name)(*args))
