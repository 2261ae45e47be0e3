"""A clock that is turned by hand."""

from __future__ import annotations


class Clock:
    """Tells the time that it is told.

    Attributes:
        now: that time, in seconds.
    """

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
