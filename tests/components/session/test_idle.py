"""What sessions hold: bounded for all together, and let go when nobody has touched it for long."""

import gc
from types import SimpleNamespace
from typing import Any

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
    assert not holdings.let_go()[0]
    clock.now = 1230
    assert holdings.let_go()[0]
    assert (away.said, here.said) == ([20], [])
    clock.now = 9000
    assert holdings.let_go()[0]
    assert (away.said, here.said) == ([20], [140])
    holdings.touch(away)  # who comes back begins anew
    assert not holdings.let_go()[0]


def test_who_uses_one_thing_uses_all_that_their_session_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, who = Clock(), ["ann"]
    monkeypatch.setattr(idle, "find_session", lambda: who[0])
    holdings = Holdings(Quotas(idle_pictures_seconds=1200), 1000, clock)
    pictures, series, made_of_it = Held(100), Held(0), Held(0)
    for held in (pictures, series, made_of_it):
        holdings.touch(held)
    who[0], examples = "bob", Held(0)
    holdings.touch(examples)
    who[0], clock.now = "ann", 1000
    holdings.touch(series)
    clock.now = 1300
    assert holdings.let_go() == (True, set()), "Bob has nothing, so that his page shows no more than he has"
    assert not examples.said and not pictures.said
    clock.now = 2200
    assert holdings.let_go() == (True, {"ann"})
    assert [held.said for held in (pictures, series, made_of_it)] == [[20], [20], [20]]
    assert holdings.let_go() == (False, set())


def test_what_a_session_held_that_is_over_counts_as_free() -> None:
    holdings = Holdings(Quotas(), 1000)
    held = Held(1)
    holdings.touch(held)
    assert holdings.let_go() == (False, set())
    del held
    gc.collect()
    assert holdings.let_go() == (True, set())
    assert holdings.let_go() == (False, set())


@pytest.mark.parametrize("shared", [False, True])
def test_in_front_of_ones_own_computer_only_lost_sessions_end(shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(idle, "is_shared", lambda *_: shared)
    monkeypatch.setattr(idle.threading, "Thread", lambda **given: started.append(given) or Started())
    forgotten: list[float] = []
    start_letting_go(lambda seconds: forgotten.append(seconds) or 0)  # type: ignore[func-returns-value]
    ended: list[bool] = []
    monkeypatch.setattr(idle, "end_lost_sessions", lambda: ended.append(True) or False)
    (forget,) = started[0]["args"]
    idle._let_go(forget, 600.0)
    assert ended == [True] and forgotten == [600.0] * shared


def test_pages_show_no_more_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[set[str]] = []
    monkeypatch.setattr(idle, "find_holdings", lambda: SimpleNamespace(let_go=lambda: (False, {"ann"})))
    monkeypatch.setattr(idle, "draw_again", drawn.append)
    idle._let_go(lambda _seconds: 0, 600.0)
    assert drawn == [{"ann"}]


def test_a_look_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    looks = iter([ZeroDivisionError("internals"), False, True, False, False, KeyboardInterrupt()])

    def look(*_: object) -> object:
        found = next(looks)
        if isinstance(found, BaseException):
            raise found
        return found

    given_back: list[bool] = []
    monkeypatch.setattr(idle, "_let_go", look)
    monkeypatch.setattr(idle, "give_back", lambda: given_back.append(True))
    monkeypatch.setattr(idle.time, "sleep", lambda _seconds: None)
    with pytest.raises(KeyboardInterrupt):
        idle._let_go_for_ever(None)
    assert "could not be let go" in caplog.text
    assert len(given_back) == 2, "when something became free, and once more"


class Started:
    def start(self) -> None: ...
