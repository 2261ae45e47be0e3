"""People who log in, without a provider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from explain.rights import Actor, Recorder, Right, start_asking


@contextmanager
def asking(actor: Actor | None, write: Recorder | None = None) -> Iterator[None]:
    """While entered, this is a server on which people log in, and one of them acts, or nobody."""
    start_asking(lambda: actor, write)
    try:
        yield
    finally:
        start_asking(None)


def make_actor(*rights: Right, key: str = "ann") -> Actor:
    """Somebody with rights."""
    return Actor(key, frozenset(rights))
