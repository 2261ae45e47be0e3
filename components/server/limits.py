"""How much an address or a session may have: at once, and within a minute."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from collections.abc import Callable

SECONDS = 60.0


class Rate:
    """Counts what each key has had within about a minute: the running minute, and of the one before its part that is
    not yet a minute ago. Nothing of a key is left after two, however many keys a stranger makes up.

    Args:
        most: of a key within a minute.
        clock: in seconds.
    """

    def __init__(self, most: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._minute = 0
        self._now: Counter[str] = Counter()
        self._before: Counter[str] = Counter()

    def take(self, key: str, amount: int = 1) -> bool:
        """Count an amount; False, and nothing is counted, where that were too much."""
        minute, share = divmod(self._clock() / SECONDS, 1)
        if minute != self._minute:
            self._before = self._now if minute == self._minute + 1 else Counter()
            self._now, self._minute = Counter(), int(minute)
        if self._now[key] + self._before[key] * (1 - share) + amount > self._most:
            return False
        self._now[key] += amount
        return True


class Open:
    """Counts what each key has at once.

    Args:
        most: of a key.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._count: Counter[str] = Counter()

    def enter(self, key: str) -> bool:
        """Count one until it leaves; False, and it is not counted, where that were too many."""
        if self._count[key] >= self._most:
            return False
        self._count[key] += 1
        return True

    def leave(self, key: str) -> None:
        """Count it no more."""
        self._count[key] -= 1
        if not self._count[key]:
            del self._count[key]


def name_neighbourhood(host: str) -> str:
    """An address as it is counted: of IPv6 the first half, since whoever has one has all that begin like it."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped or address.is_loopback:
            return str(address.ipv4_mapped or address)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return host
