"""Locks that last exactly as long as the process that took them."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from explain.training import process_lock
from explain.training.process_lock import is_locked, take_lock


def test_a_lock_is_held_until_it_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_lock, "_TRIES", 3)
    path = tmp_path / "alive"
    assert not is_locked(path)
    held = take_lock(path)
    assert held is not None
    assert is_locked(path) and is_locked(path)  # asking takes nothing
    assert path.read_text() == str(os.getpid())
    assert take_lock(path) is None
    held.close()
    assert not is_locked(path)


def test_two_who_ask_at_once_do_not_take_each_other_for_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    path.touch()
    with path.open("rb+") as asks:
        fcntl.flock(asks, fcntl.LOCK_SH)  # somebody is asking
        assert not is_locked(path)


def test_a_lock_is_taken_though_somebody_who_asks_is_stopped_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, slept = tmp_path / "alive", []
    path.touch()
    with path.open("rb+") as asks:
        fcntl.flock(asks, fcntl.LOCK_SH)

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if sum(slept) > 1:  # long after the machine was quick
                fcntl.flock(asks, fcntl.LOCK_UN)

        monkeypatch.setattr(process_lock, "time", SimpleNamespace(sleep=sleep))
        held = take_lock(path)
    assert held is not None and is_locked(path)
    held.close()


def test_a_lock_ends_with_a_killed_process_and_says_nothing_of_its_number(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    program = (
        "import sys, pathlib; from explain.training.process_lock import take_lock; "
        "held = take_lock(pathlib.Path(sys.argv[1]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", f"{program}; print('held', flush=True); sys.stdin.read()", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert process.stdin and process.stdout
    assert process.stdout.readline() == b"held\n"
    assert is_locked(path)
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    path.write_text(str(os.getpid()))  # a number that another living process has by now
    assert not is_locked(path)
