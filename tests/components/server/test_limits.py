"""How much is counted against whom, and when it is forgotten."""

from __future__ import annotations

import pytest

from components.server.limits import Open, Rate, name_neighbourhood
from tests.support.clock import Clock


def test_a_minute_later_all_is_forgotten() -> None:
    clock = Clock(30.0)
    rate = Rate(10, clock)
    assert rate.take("ann", 10) and not rate.take("ann") and rate.take("ben", 10)
    clock.now = 59.9
    assert not rate.take("ann")
    clock.now = 90.0  # half of the minute before counts
    assert not rate.take("ann", 6) and rate.take("ann", 5)
    clock.now = 200.0
    assert rate.take("ann", 10)
    assert set(rate._now) | set(rate._before) == {"ann"}, "nothing is kept of who does not come again"


def test_no_window_of_a_minute_holds_more_than_twice_as_much() -> None:
    clock = Clock()
    rate = Rate(60, clock)
    taken = []
    for tenth in range(3000):
        clock.now = tenth / 10
        if rate.take("ann"):
            taken.append(clock.now)
    most = max(sum(start <= one < start + 60 for one in taken) for start in taken)
    assert 60 <= most <= 120
    assert 180 <= len(taken) <= 360


def test_what_is_refused_is_not_counted() -> None:
    rate = Rate(10, lambda: 0.0)
    assert not any(rate.take("ann", 11) for _ in range(5))
    assert rate.take("ann", 10)


def test_who_leaves_makes_room() -> None:
    opened = Open(2)
    assert opened.enter("a") and opened.enter("a") and not opened.enter("a") and opened.enter("b")
    opened.leave("a")
    assert opened.enter("a")
    for key in "aab":
        opened.leave(key)
    assert not opened._count


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_an_address_is_counted_with_those_that_one_person_has(host: str, named: str) -> None:
    assert name_neighbourhood(host) == named
