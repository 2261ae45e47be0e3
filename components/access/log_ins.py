"""When a log-in ends: after its hours, after some minutes without a press, or because the person logged out.

It ends in all of its windows at once, in memory; the cookie that is left of it is refused at the door.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal

from components.server.ended import Ended, find_ended, name_log_in
from components.server.settings import read_server_settings

End = Literal["hours", "idle", "out"]

_SWEEP = 1_000  # log-ins that are remembered before those of yesterday are forgotten


class LogIns:
    """The log-ins that people use.

    Args:
        hours: how long one holds.
        idle_minutes: how long one holds without a press.
        ended: those that are over.
        clock: seconds since 1970.
    """

    def __init__(self, hours: float, idle_minutes: float, ended: Ended, clock: Callable[[], float] = time.time) -> None:
        self._hours = hours
        self._idle_minutes = idle_minutes
        self._ended = ended
        self._clock = clock
        self._seen: dict[str, tuple[float, float]] = {}  # by log-in, when it was first seen and last pressed

    def press(self, claims: Mapping[str, Any]) -> End | None:
        """Somebody pressed something; why that comes too late, if it does."""
        end = self.find_end(claims)
        if end is None:
            name, now = name_log_in(claims), self._clock()
            self._seen[name] = self._seen.get(name, (now, now))[0], now
            if len(self._seen) > _SWEEP:
                oldest = now - self._hours * 3600
                self._seen = {one: seen for one, seen in self._seen.items() if seen[0] > oldest}
        return end

    def find_end(self, claims: Mapping[str, Any]) -> End | None:
        """Why a log-in is over; None where it goes on."""
        if self._ended.has(claims):
            return "out"
        now = self._clock()
        first, pressed = self._seen.get(name_log_in(claims), (now, now))
        issued = claims.get("iat")
        if now - (issued if isinstance(issued, (int, float)) else first) > self._hours * 3600:
            return "hours"
        return "idle" if now - pressed > self._idle_minutes * 60 else None

    def end(self, claims: Mapping[str, Any]) -> None:
        """It is over, here and at the door."""
        if claims and not self._ended.has(claims):
            self._ended.add(claims)
        self._seen.pop(name_log_in(claims), None)


@cache
def find_log_ins() -> LogIns:
    """Those of this server."""
    settings = read_server_settings()
    return LogIns(settings.login_hours, settings.idle_minutes, find_ended())
