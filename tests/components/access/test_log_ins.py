"""A log-in ends after its hours, without presses, and when the person says so; by a clock that is turned by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.access.log_ins import LogIns
from components.server.ended import Ended
from tests.support.clock import Clock
from tests.support.server import make_identity

NOON = 1_800_000_000.0
ANN = make_identity(iat=int(NOON), nonce="n1")


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


def make_log_ins(folder: Path, clock: Clock) -> LogIns:
    return LogIns(8, 20, Ended(folder / "ended", 8, clock), clock)


def test_who_presses_stays_until_the_hours_are_over(tmp_path: Path, clock: Clock) -> None:
    log_ins = make_log_ins(tmp_path, clock)
    for _ in range(31):
        assert log_ins.press(ANN) is None
        clock.now += 15 * 60
    assert log_ins.press(ANN) is None
    clock.now = NOON + 8 * 3600 + 1
    assert log_ins.press(ANN) == "hours"


@pytest.mark.parametrize("claims", [ANN, make_identity()])
def test_a_clock_nine_hours_ahead_ends_it(tmp_path: Path, clock: Clock, claims: dict[str, object]) -> None:
    """Also for a provider that does not say when."""
    log_ins = make_log_ins(tmp_path, clock)
    assert log_ins.press(claims) is None
    clock.now += 9 * 3600
    assert log_ins.find_end(claims) == "hours"


def test_who_looks_away_is_logged_out_in_all_windows(tmp_path: Path, clock: Clock) -> None:
    """Polls ask `find_end`, and do not count. Windows of one log-in share its presses."""
    log_ins = make_log_ins(tmp_path, clock)
    log_ins.press(ANN)
    for _ in range(20):
        clock.now += 60
        assert log_ins.find_end(ANN) is None
    clock.now += 1
    assert log_ins.find_end(ANN) == "idle"
    assert log_ins.press(ANN) == "idle", "too late"
    other = make_identity(iat=int(clock.now), nonce="n2")
    assert log_ins.press(other) is None, "a new log-in of the same person is another one"


def test_who_logs_out_is_out_everywhere(tmp_path: Path, clock: Clock) -> None:
    here, there = (make_log_ins(tmp_path, clock) for _ in range(2))
    assert here.press(ANN) is None and there.press(ANN) is None
    here.end(ANN)
    assert here.press(ANN) == there.press(ANN) == "out"


def test_old_log_ins_are_forgotten(tmp_path: Path, clock: Clock) -> None:
    log_ins = make_log_ins(tmp_path, clock)
    for number in range(1_000):
        log_ins.press(make_identity(iat=int(NOON), nonce=str(number)))
    clock.now += 9 * 3600
    log_ins.press(make_identity(iat=int(clock.now), nonce="new"))
    assert len(log_ins._seen) == 1
