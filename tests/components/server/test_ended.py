"""A log-in that is over is over: on every server that shares the folder, and until its cookie holds no longer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.server.ended import Ended, name_log_in
from tests.support.server import make_identity

ANN = make_identity(iat=1_000, nonce="n1")


def test_log_ins_are_told_apart() -> None:
    others = [make_identity(iat=1_001, nonce="n1"), make_identity(iat=1_000, nonce="n2"), make_identity(sub="bob")]
    assert len({name_log_in(claims) for claims in (ANN, *others)}) == 4
    assert name_log_in({**ANN, "name": "Ann"}) == name_log_in(ANN)


def test_all_servers_know_and_after_its_hours_it_is_forgotten(tmp_path: Path) -> None:
    here, there = (Ended(tmp_path / "ended", hours=8) for _ in range(2))
    assert not here.has(ANN)
    here.add(ANN)
    assert here.has(ANN) and there.has(ANN)
    assert not there.has(make_identity(iat=2_000, nonce="n3")), "the same person may log in again"
    (file,) = (tmp_path / "ended").iterdir()
    assert ANN["sub"] not in file.name and file.stat().st_size == 0
    os.utime(file, (0, 0))
    here.add(make_identity(iat=3_000))
    assert not there.has(ANN), "its cookie is older than a log-in may be"


def test_a_disk_that_cannot_be_written_lets_nobody_back_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "ended").write_text("in the way")
    ended = Ended(tmp_path / "ended", hours=8)
    ended.add(ANN)
    assert ended.has(ANN)
    assert "could not be written down" in caplog.text
