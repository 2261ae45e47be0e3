"""What there is to see of a running server: how its engine and its queue are.

This room stands below those that know the engine; they say here how to look at it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from explain.engine.admission import Kind
from explain.engine.counted import Cache, Spread


@dataclass(frozen=True)
class Figures:
    """The engine's figures at one time.

    Attributes:
        forward: pictures sent through networks since it was started.
        backward: classes sent back.
        hits: how often what it keeps was there, and was not, by its kind.
        bytes_kept: of what it keeps, by its kind.
        device_bytes: of the device that hold tensors.
        waiting: questions in the queue, by their kind.
        waits: how long questions waited before they began, by their kind.
        most_waiting: at which the queue is full; 0 where there is none.
        turned_away: questions that were refused or given up because of others.
    """

    forward: int = 0
    backward: int = 0
    hits: Mapping[tuple[Cache, bool], int] = field(default_factory=dict)
    bytes_kept: Mapping[Cache, int] = field(default_factory=dict)
    device_bytes: int = 0
    waiting: Mapping[Kind, int] = field(default_factory=dict)
    waits: Mapping[Kind, Spread] = field(default_factory=dict)
    most_waiting: int = 0
    turned_away: int = 0


_look: Callable[[], Figures | None] = lambda: None  # noqa: E731


def watch_engine(look: Callable[[], Figures | None]) -> None:
    """Say how to look at the engine.

    Args:
        look: gives its figures at once, without waiting; None while it has not started.
    """
    global _look
    _look = look


def read_figures() -> Figures | None:
    """The engine's figures; None while it has not started."""
    return _look()
