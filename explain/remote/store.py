"""What was handed to an engine elsewhere, by its digest: in memory only, for a while, and never more than its share."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from explain.errors import ExplainError
from explain.pictures.bounds import MAX_BYTES

BUDGET = 512 * 2**20
"""Bytes that are kept; the least recently used go first."""

SECONDS_KEPT = 20 * 60.0
"""How long what nobody asks for is kept."""


class UnknownDigest(ExplainError):
    """What a question names is not here (any more). Whoever asks puts it again.

    Args:
        digest: which it is.
    """

    def __init__(self, digest: str) -> None:
        super().__init__(digest)
        self.digest = digest

    def __str__(self) -> str:
        return "The engine does not hold the picture any more. Ask again."


class Store:
    """Bytes by their SHA-256. Safe to share by threads.

    Args:
        budget: bytes that are kept.
        seconds: how long each is kept after it was last used.
        clock: seconds that only grow.
    """

    def __init__(
        self, budget: int = BUDGET, seconds: float = SECONDS_KEPT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._budget, self._seconds, self._clock = budget, seconds, clock
        self._held: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def bytes_kept(self) -> int:
        """Bytes that are held now."""
        with self._lock:
            self._drop()
            return sum(len(data) for _, data in self._held.values())

    def have(self, digest: str) -> bool:
        """Whether it is here; if so it is kept for longer."""
        with self._lock:
            self._drop()
            return self._use(digest) is not None

    def put(self, data: bytes) -> str:
        """Keep bytes.

        Returns:
            Their digest.

        Raises:
            ExplainError: they are too many.
        """
        if len(data) > min(self._budget, MAX_BYTES):
            raise ExplainError(f"The engine takes at most {min(self._budget, MAX_BYTES) / 2**20:.0f} MB at once.")
        digest = hashlib.sha256(data).hexdigest()
        with self._lock:
            self._held[digest] = self._clock(), data
            self._held.move_to_end(digest)
            self._drop()
        return digest

    def get(self, digest: str) -> bytes:
        """Bytes that were put.

        Raises:
            UnknownDigest: they are not here (any more).
        """
        with self._lock:
            self._drop()
            data = self._use(digest)
        if data is None:
            raise UnknownDigest(digest)
        return data

    def forget(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._held.clear()

    def _use(self, digest: str) -> bytes | None:
        if digest not in self._held:
            return None
        data = self._held[digest][1]
        self._held[digest] = self._clock(), data
        self._held.move_to_end(digest)
        return data

    def _drop(self) -> None:
        """Let go of what is too old, and of the least recently used of what is too much."""
        kept = sum(len(data) for _, data in self._held.values())
        while self._held:
            used, data = next(iter(self._held.values()))
            if kept <= self._budget and used + self._seconds > self._clock():
                return
            self._held.popitem(last=False)
            kept -= len(data)
