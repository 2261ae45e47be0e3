"""What sessions hold: bounded for all together, and let go when nobody has touched it for long."""

import gc

import pytest

from components.session import idle
from components.session.idle import Holdings, start_letting_go
from explain.engine.quotas import Quotas
from tests.support.clock import Clock


class Held:
    """Takes so many bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.said: list[int] = []

    def count_bytes(self) -> int:
        return self.size

    def let_go(self, minutes: int) -> None:
        self.size = 0
        self.said.append(minutes)


def test_all_together_are_bounded() -> None:
    holdings = Holdings(Quotas(decoded_share=0.4), memory=1000)
    one, other = Held(150), Held(200)
    for held in (one, other, one):
        holdings.touch(held)
    assert holdings.has_room(50)
    assert not holdings.has_room(51)
    del other
    gc.collect()
    assert holdings.has_room(250)  # what a session held that is over does not count


def test_only_what_nobody_touched_is_let_go() -> None:
    clock = Clock()
    holdings = Holdings(Quotas(idle_pictures_seconds=1200), 1000, clock)
    away, here = Held(100), Held(100)
    holdings.touch(away)
    holdings.touch(here)
    clock.now = 600
    holdings.touch(here)
    clock.now = 1199
    assert not holdings.let_go()
    clock.now = 1230
    assert holdings.let_go()
    assert (away.said, here.said) == ([20], [])
    clock.now = 9000
    assert holdings.let_go()
    assert (away.said, here.said) == ([20], [140])
    holdings.touch(away)  # who comes back begins anew
    assert not holdings.let_go()


def test_what_a_session_held_that_is_over_counts_as_free() -> None:
    holdings = Holdings(Quotas(), 1000)
    held = Held(1)
    holdings.touch(held)
    assert not holdings.let_go()
    del held
    gc.collect()
    assert holdings.let_go()
    assert not holdings.let_go()


@pytest.mark.parametrize("shared", [False, True])
def test_in_front_of_ones_own_computer_nothing_is_let_go(shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(idle, "is_shared", lambda *_: shared)
    monkeypatch.setattr(idle.threading, "Thread", lambda **given: started.append(given) or Started())
    start_letting_go(lambda _seconds: 0)
    assert len(started) == shared


class Started:
    def start(self) -> None: ...
