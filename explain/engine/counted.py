"""What an engine counts of itself, for whoever watches a server. It is cheap: a move of a slider is counted, too."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Cache = Literal["captures", "maps", "models"]
"""What is kept: what a network left behind of a picture, maps, weights."""

SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Bounds between which times are counted."""


@dataclass
class Spread:
    """How times spread. Whoever adds to it sees to it that nobody else does at once.

    Attributes:
        counts: of times up to each of `SECONDS` and above the one before; the last is of those above all.
        total: of all times, in seconds.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def copy(self) -> Spread:
        """As it is now."""
        return Spread(list(self.counts), self.total)


class Hits:
    """How often something was asked for that is kept, and whether it was there. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[Cache, bool]] = Counter()

    def count(self, kind: Cache, hit: bool) -> None:
        """It was there, or it was not."""
        with self._lock:
            self._counts[kind, hit] += 1

    def read(self) -> Mapping[tuple[Cache, bool], int]:
        """All counts by now."""
        with self._lock:
            return dict(self._counts)


@dataclass(frozen=True)
class Counted:
    """What an engine has counted by now.

    Attributes:
        hits: how often what is kept was there, and was not, by its kind.
        bytes_kept: bytes of it, by its kind; maps are among the captures.
        device_bytes: bytes of the device that hold tensors; 0 on a CPU, whose memory is the process's.
    """

    hits: Mapping[tuple[Cache, bool], int]
    bytes_kept: Mapping[Cache, int]
    device_bytes: int
