"""What sessions hold of the machine's memory: all of it together is bounded, and who is away gives it back.

On a server that others use, what nobody has touched for a while is let go; the page says so to who comes back. In front
of one's own computer it stays: a presenter who waits for an hour finds everything as it was.
"""

from __future__ import annotations

import ctypes
import gc
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Protocol
from weakref import ReferenceType, ref

from components.server.login import is_shared, read_login
from components.server.settings import read_server_settings
from explain.engine.quotas import Quotas, read_quotas
from explain.free_memory import find_memory

_LOOK_AGAIN = 20.0  # seconds


class Held(Protocol):
    """Something large in a session's state."""

    def count_bytes(self) -> int:
        """Memory that it takes."""

    def let_go(self, minutes: int) -> None:
        """Give it back, and remember to say so. Nobody has touched it for so many minutes."""


class Holdings:
    """What all sessions hold. Safe to share between threads.

    Args:
        quotas: how much, and for how long.
        memory: bytes that this machine has.
        clock: seconds.
    """

    def __init__(self, quotas: Quotas, memory: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._quotas = quotas
        self._allowed = int(quotas.decoded_share * memory)
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[int, tuple[ReferenceType[Held], float]] = {}

    def touch(self, held: Held) -> None:
        """Somebody uses it now."""
        with self._lock:
            self._held[id(held)] = ref(held), self._clock()

    def has_room(self, more: int) -> bool:
        """Whether all sessions together may hold so many bytes more."""
        with self._lock:
            there = [held() for held, _ in self._held.values()]
        return sum(held.count_bytes() for held in there if held is not None) + more <= self._allowed

    def let_go(self) -> bool:
        """Let go what nobody has touched for long; whether anything became free, by this or by sessions that ended."""
        freed = False
        with self._lock:
            now, patience = self._clock(), self._quotas.idle_pictures_seconds
            for key, (reference, touched) in list(self._held.items()):
                held = reference()
                if held is None or now - touched >= patience:
                    del self._held[key]
                    freed = True
                if held is not None and now - touched >= patience:
                    held.let_go(round((now - touched) / 60))
        return freed


@cache
def find_holdings() -> Holdings:
    """Those of this server."""
    return Holdings(read_quotas(), find_memory() or 8 * 2**30)


def start_letting_go(forget_unused: Callable[[float], int]) -> None:
    """On a server that others use, look now and then for what is held in vain.

    Args:
        forget_unused: lets the engine forget what it has not used for so many seconds; gives back how many bytes.
    """
    settings = read_server_settings()
    if is_shared(settings, read_login(settings)):
        threading.Thread(target=_let_go_for_ever, args=(forget_unused,), daemon=True).start()


def _let_go_for_ever(forget_unused: Callable[[float], int]) -> None:
    quotas = read_quotas()
    pause = min(_LOOK_AGAIN, quotas.idle_pictures_seconds / 2, quotas.idle_captures_seconds / 2)
    while True:
        time.sleep(pause)
        freed = find_holdings().let_go()
        if forget_unused(quotas.idle_captures_seconds) or freed:
            gc.collect()
            with suppress(OSError, AttributeError):  # not glibc
                ctypes.CDLL("libc.so.6").malloc_trim(0)  # it keeps what is free to itself else
