"""Who acts, and what they may do. Where nobody logs in, as on a laptop or a command line, everything is allowed.

A server with log-ins says once how to find who acts. From then on whoever is not found may do nothing: a thread without
a session, too, unless it works for somebody (`acting_for`). What somebody may do is asked by the calls that do it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from explain.errors import RightsError

T = TypeVar("T")

Right = Literal["scans", "prompts", "train", "models", "collections", "audit"]
Result = Literal["done", "refused"]

_WHAT: dict[Right, str] = {
    "scans": "open scans (DICOM, NIfTI, zips of them)",
    "prompts": "keep or delete prompts and attention of your own",
    "train": "train",
    "models": "use a model file of your own, or have this server fetch a model",
    "collections": "open or begin runs of collections",
    "audit": "read the audit log",
}


@dataclass(frozen=True)
class Actor:
    """Somebody who acts.

    Attributes:
        key: SHA-256 of who they are, as hexadecimal digits, and the name of their folder; empty for nobody.
        rights: what they may do.
    """

    key: str
    rights: frozenset[Right] = frozenset()


NOBODY = Actor("")


class Recorder(Protocol):
    """Writes down what was done."""

    def __call__(self, actor: Actor, action: str, picture: str, model: str, result: Result) -> None:
        """See `record`."""


_acting: ContextVar[Actor | None] = ContextVar("acting", default=None)
_find: Callable[[], Actor | None] | None = None
_record: Recorder | None = None


def start_asking(find: Callable[[], Actor | None] | None, write: Recorder | None = None) -> None:
    """Say how to find who acts, once and for all threads.

    Args:
        find: gives who acts in the thread that asks; None where that is nobody. Without it everything is allowed.
        write: told of what is done.
    """
    global _find, _record
    _find, _record = find, write


def find_actor() -> Actor | None:
    """Who acts; `NOBODY` where that is nobody who is known, None where nobody logs in."""
    if _find is None:
        return None
    return _acting.get() or _find() or NOBODY


@contextmanager
def acting_for(actor: Actor | None) -> Iterator[None]:
    """While entered, this thread works for somebody.

    Args:
        actor: as `find_actor` gave it to who asked for the work.
    """
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


def for_actor(function: Callable[[], T]) -> Callable[[], T]:
    """The function, done for who acts now, by whichever thread: downloads are made on a click, in none of a session."""
    actor = find_actor()

    def act() -> T:
        with acting_for(actor):
            return function()

    return act


def may(right: Right) -> bool:
    """Whether who acts may do it."""
    actor = find_actor()
    return actor is None or right in actor.rights


def describe_missing(right: Right) -> str:
    """That it may not be done, and what to do, in sentences."""
    return f"Your role here does not let you {_WHAT[right]}. Ask whoever runs this server for another role."


def need(right: Right) -> None:
    """Refuse what who acts may not do.

    Raises:
        RightsError: they may not.
    """
    if not may(right):
        record(right, result="refused")
        raise RightsError(describe_missing(right))


def record(action: str, picture: str = "", model: str = "", result: Result = "done") -> None:
    """Have it written down that somebody did something, where that is wanted.

    Args:
        action: what; a right, or another word of a closed set.
        picture: digest of the picture it was done to.
        model: fingerprint of the model.
        result: whether it was done.
    """
    actor = find_actor()
    if _record is not None and actor is not None:
        _record(actor, action, picture, model, result)
