"""What sessions hold of the machine's memory: all of it together is bounded, and who is away gives it back.

On a server that others use, what nobody has touched for a while is let go; the page says so to who comes back. In front
of one's own computer it stays: a presenter who waits for an hour finds everything as it was.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Protocol
from weakref import ReferenceType, ref

from components.server.allocator import give_back
from components.server.login import is_shared, read_login
from components.server.settings import read_server_settings
from components.session.reconnect import draw_again, end_lost_sessions
from components.session.work import find_session
from explain.engine.quotas import Quotas, read_quotas
from explain.free_memory import find_memory

_LOOK_AGAIN = 20.0  # seconds

_log = logging.getLogger(__name__)


class Held(Protocol):
    """Something large in a session's state."""

    def count_bytes(self) -> int:
        """Memory that it takes; 0 also for what is only made of something else that is held, and goes with it."""

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
        self._held: dict[int, tuple[ReferenceType[Held], str]] = {}  # with whose it is
        self._touched: dict[str, float] = {}  # by whom, when they used anything of theirs last

    def touch(self, held: Held) -> None:
        """Its session uses it now, which counts for all that the session holds."""
        owner = find_session() or f"no session's {id(held)}"
        with self._lock:
            self._held[id(held)] = ref(held), owner
            self._touched[owner] = self._clock()

    def has_room(self, more: int) -> bool:
        """Whether all sessions together may hold so many bytes more."""
        with self._lock:
            there = [held() for held, _ in self._held.values()]
        return sum(held.count_bytes() for held in there if held is not None) + more <= self._allowed

    def let_go(self) -> tuple[bool, set[str]]:
        """Let go what nobody has touched for long. Whether anything became free, by this or by sessions that ended; and
        the sessions whose pages show more than they have.
        """
        poorer = set()
        with self._lock:
            now, before = self._clock(), len(self._held)
            for owner, when in self._touched.items():
                if now - when < self._quotas.idle_pictures_seconds:
                    continue
                theirs = {key: reference() for key, (reference, whose) in self._held.items() if whose == owner}
                there = [held for held in theirs.values() if held is not None]
                if any(held.count_bytes() for held in there):
                    poorer.add(owner)
                    for held in there:
                        held.let_go(round((now - when) / 60))
                for key in theirs:
                    del self._held[key]
            self._held = {key: one for key, one in self._held.items() if one[0]() is not None}
            owners = {owner for _, owner in self._held.values()}
            self._touched = {owner: when for owner, when in self._touched.items() if owner in owners}
            return len(self._held) < before, poorer


@cache
def find_holdings() -> Holdings:
    """Those of this server."""
    return Holdings(read_quotas(), find_memory() or 8 * 2**30)


def start_letting_go(forget_unused: Callable[[float], int]) -> None:
    """Look now and then for what is held in vain: sessions whose browser does not come back, and, on a server that
    others use, what is not used.

    Args:
        forget_unused: lets the engine forget what it has not used for so many seconds; gives back how many bytes.
    """
    settings = read_server_settings()
    shared = is_shared(settings, read_login(settings))
    threading.Thread(target=_let_go_for_ever, args=(forget_unused if shared else None,), daemon=True).start()


def _let_go_for_ever(forget_unused: Callable[[float], int] | None) -> None:
    quotas = read_quotas()
    pause = min(_LOOK_AGAIN, quotas.idle_pictures_seconds / 2, quotas.idle_captures_seconds / 2)
    freed = False
    while True:
        time.sleep(pause)
        try:
            before, freed = freed, _let_go(forget_unused, quotas.idle_captures_seconds)
            if freed or before:  # once more: what holds on to a part of it for a moment, as a thread, is over then
                gc.collect()
                give_back()
        except Exception:  # the next look may do better, and must come
            _log.exception("What nobody uses could not be let go")


def _let_go(forget_unused: Callable[[float], int] | None, captures_seconds: float) -> bool:
    """Whether anything became free."""
    freed = end_lost_sessions()
    if forget_unused is not None:
        less, poorer = find_holdings().let_go()
        draw_again(poorer)
        freed |= less | (forget_unused(captures_seconds) > 0)
    return freed
