"""A keeper stands before a method once, and is given all that it was called with."""

from __future__ import annotations

from typing import Any

from components.server.doors import stand_before


class Strange:
    """Somebody else's."""

    def double(self, number: int, *, more: int = 0) -> int:
        return 2 * number + more


def test_a_keeper_stands_before_a_method_once() -> None:
    calls: list[int] = []

    def keep(call: Any, self: Strange, number: int, **named: int) -> int:
        calls.append(number)
        return -call(self, number, **named)

    assert stand_before(Strange, "double", keep) and stand_before(Strange, "double", keep)
    assert Strange().double(3, more=1) == -7 and calls == [3]


def test_a_door_that_is_not_there_is_said() -> None:
    assert not stand_before(Strange, "treble", print) and not hasattr(Strange, "treble")
