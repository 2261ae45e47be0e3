"""The audit log only grows, names nobody, and shows where it was changed."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.access.audit import Audit, Chain
from explain.errors import RightsError
from tests.support.clock import Clock
from tests.support.people import asking, make_actor

ANN, BOB = make_actor(key="a" * 64), make_actor(key="b" * 64)
DIGEST = "d" * 64


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    """With four lines."""
    audit = Audit(tmp_path / "access")
    audit.write(ANN, "page opened")
    audit.write(ANN, "explain", DIGEST, "model")
    audit.write(BOB, "explain", DIGEST, "model")
    audit.write(BOB, "train", result="refused")
    return audit


def test_a_line_says_who_what_and_when_by_digests(audit: Audit) -> None:
    text = audit.path.read_text()
    assert not any(name in text for name in (ANN.key, BOB.key, DIGEST))
    newest, *_, oldest = audit.read_last()
    assert (newest["number"], newest["action"], newest["result"]) == (4, "train", "refused")
    assert (oldest["number"], oldest["action"], oldest["picture"]) == (1, "page opened", "")
    _, bobs, anns, _ = audit.read_last()
    assert bobs["picture"] == anns["picture"] and bobs["user"] != anns["user"]
    assert audit.read_last(2) == audit.read_last()[:2]


def test_nobody_else_may_read_the_file(audit: Audit) -> None:
    assert stat.S_IMODE(audit.path.stat().st_mode) == 0o600
    assert stat.S_IMODE((audit.path.parent / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE(audit.path.parent.stat().st_mode) == 0o700


def test_a_whole_chain_is_whole(audit: Audit, tmp_path: Path) -> None:
    assert audit.verify() == Chain(4)
    Audit(audit.path.parent).write(ANN, "log-out")
    assert audit.verify() == Chain(5), "another server goes on where this one stopped"
    assert Audit(tmp_path / "none").verify() == Chain(0)
    assert Audit(tmp_path / "none").read_last() == []


def test_a_broken_chain_is_found(audit: Audit) -> None:
    lines = audit.path.read_text().splitlines()
    changed = lines.copy()
    changed[1] = json.dumps(json.loads(lines[1]) | {"result": "refused"})
    forged = lines.copy()
    forged[3] = json.dumps(json.loads(lines[3]) | {"chain": "0" * 64})
    attempts = {
        2: [changed, [lines[0], *lines[2:]], [lines[0], lines[2], lines[1], lines[3]], [lines[0], "x", *lines[1:]]],
        1: [lines[1:]],
        4: [forged, [*lines[:3], "{}", lines[3]]],
    }
    for place, texts in attempts.items():
        for text in texts:
            audit.path.write_text("\n".join(text) + "\n")
            assert audit.verify() == Chain(place - 1, place), text


def test_lines_of_many_at_once_hold_together(tmp_path: Path) -> None:
    servers = [Audit(tmp_path) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda at: servers[at % 2].write(ANN, "page opened"), range(20)))
    assert servers[0].verify() == Chain(20)


def test_what_sliders_ask_again_is_written_once(tmp_path: Path) -> None:
    clock = Clock()
    audit = Audit(tmp_path, clock)
    for clock.now in (0.0, 1.0, 2.0, 599.0, 601.0):
        audit.write(ANN, "explain", DIGEST, "model")
    assert audit.verify() == Chain(2)


def test_only_who_may_reads_it(audit: Audit) -> None:
    with asking(make_actor("train")):
        for call in (audit.read_last, audit.read_file, audit.verify):
            with pytest.raises(RightsError):
                call()
    with asking(make_actor("audit")):
        assert audit.read_file().count(b"\n") == 4


def test_a_disk_that_cannot_be_written_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "access").write_text("in the way")
    Audit(tmp_path / "access").write(ANN, "page opened")
    assert "could not be written" in caplog.text
