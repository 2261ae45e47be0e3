"""What there is to see of a running server: how its engine and its queue are.

This room stands below those that know the engine; they say here how to look at it.
"""

from __future__ import annotations

from collections.abc import Callable

from explain.engine.figures import Figures

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
