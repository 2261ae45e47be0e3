"""What was handed to an engine elsewhere, by its digest: in memory only, for a while, and never more than its share."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from explain.errors import ExplainError

T = TypeVar("T")

MAX_PUT = 256 * 2**20
"""Bytes that are taken at once: a picture's pixels are more than its file, and a series is more than a picture."""

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


class Kept(Generic[T]):
    """Values for a while, and never more than their share. Safe to share by threads.

    Args:
        budget: bytes that are kept.
        seconds: how long each is kept after it was last used.
        clock: seconds that only grow.
    """

    def __init__(
        self, budget: int = BUDGET, seconds: float = SECONDS_KEPT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._budget, self._seconds, self._clock = budget, seconds, clock
        self._held: OrderedDict[str, tuple[float, T, int]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def bytes_kept(self) -> int:
        """Bytes that are held now."""
        with self._lock:
            self._drop()
            return sum(size for _, _, size in self._held.values())

    def find(self, name: str, make: Callable[[], T], measure: Callable[[T], int]) -> T:
        """What goes by a name; made where it is not here.

        Args:
            name: it.
            make: makes it.
            measure: its bytes.
        """
        found = self.recall(name)
        if found is None:
            found = make()
            self.keep(name, found, measure(found))
        return found

    def recall(self, name: str) -> T | None:
        """What goes by a name, and is kept for longer now; None where it is not here."""
        with self._lock:
            self._drop()
            if name not in self._held:
                return None
            _, value, size = self._held[name]
            self._hold(name, value, size)
            return value

    def keep(self, name: str, value: T, size: int) -> None:
        """Keep a value of so many bytes."""
        with self._lock:
            self._hold(name, value, size)
            self._drop()

    def let_go(self) -> None:
        """Let go of what nobody has asked for for long."""
        with self._lock:
            self._drop()

    def forget(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._held.clear()

    def _hold(self, name: str, value: T, size: int) -> None:
        self._held[name] = self._clock(), value, size
        self._held.move_to_end(name)

    def _drop(self) -> None:
        """Let go of what is too old, and of the least recently used of what is too much."""
        kept = sum(size for _, _, size in self._held.values())
        while self._held:
            used, _, size = next(iter(self._held.values()))
            if kept <= self._budget and used + self._seconds > self._clock():
                return
            self._held.popitem(last=False)
            kept -= size


class Store(Kept[bytes]):
    """Bytes by their SHA-256; see `Kept`."""

    def have(self, digest: str) -> bool:
        """Whether it is here; if so it is kept for longer."""
        return self.recall(digest) is not None

    def put(self, data: bytes) -> str:
        """Keep bytes.

        Returns:
            Their digest.

        Raises:
            ExplainError: they are too many.
        """
        most = min(self._budget, MAX_PUT)
        if len(data) > most:
            raise ExplainError(f"An engine elsewhere takes at most {most / 2**20:.0f} MB at once.")
        digest = hashlib.sha256(data).hexdigest()
        self.keep(digest, data, len(data))
        return digest

    def get(self, digest: str) -> bytes:
        """Bytes that were put.

        Raises:
            UnknownDigest: they are not here (any more).
        """
        data = self.recall(digest)
        if data is None:
            raise UnknownDigest(digest)
        return data
