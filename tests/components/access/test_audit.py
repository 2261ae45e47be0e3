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


DAY = 86_400.0
NOVEMBER = 1_795_000_000.0  # 18 November 2026


def write_months(folder: Path, count: int, months: int = 72) -> Audit:
    """A log that was written to once a month, on the same day."""
    clock = Clock()
    audit = Audit(folder, clock, months)
    for month in range(count):
        clock.now = NOVEMBER + month * 30.5 * DAY
        audit.write(ANN, "page opened")
    return audit


def list_files(audit: Audit) -> list[str]:
    return sorted(path.name for path in audit.path.parent.glob("*.jsonl"))


def test_a_month_that_is_over_is_put_aside_and_the_chain_goes_on(tmp_path: Path) -> None:
    audit = write_months(tmp_path, 3)
    assert list_files(audit) == ["audit-2026-11-1.jsonl", "audit-2026-12-3.jsonl", "audit.jsonl"]
    assert audit.verify() == Chain(5), "each file after the first begins with a line of its own"
    newest, begun, *_, oldest = audit.read_last()
    assert (newest["action"], begun["action"], oldest["number"]) == ("page opened", "month begun", 1)
    assert begun["before"] == audit.read_last()[2]["chain"], "which is the last line of the old file"
    assert [line["number"] for line in audit.read_last(3)] == [5, 4, 3]
    with asking(make_actor("audit")):
        assert audit.read_file().count(b"\n") == 5
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in tmp_path.glob("*.jsonl"))


def test_what_is_past_its_months_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    audit = write_months(tmp_path, 5, months=2)
    assert [name[:13] for name in list_files(audit)] == ["audit-2027-01", "audit-2027-02", "audit.jsonl"]
    chain = audit.verify()
    assert (chain.broken_at, chain.first) == (None, 4) and chain.lines > 4
    next(tmp_path.glob("audit-2027-01-*")).unlink()
    assert audit.verify().broken_at == audit.verify().first, "no line says that this one was to go"


@pytest.mark.parametrize("gone", ["audit-2026-11-1.jsonl", "audit-2026-12-3.jsonl"])
def test_a_file_that_is_missing_breaks_the_chain(tmp_path: Path, gone: str) -> None:
    audit = write_months(tmp_path, 3)
    (tmp_path / gone).unlink()
    assert audit.verify().broken_at is not None


def test_a_change_in_an_old_file_is_found(tmp_path: Path) -> None:
    audit = write_months(tmp_path, 3)
    path = tmp_path / "audit-2026-12-3.jsonl"
    path.write_text(path.read_text().replace('"page opened"', '"page closed"'))
    assert audit.verify() == Chain(2, 3)


def test_a_line_that_somebody_spoilt_stops_nobody_and_names_no_file(tmp_path: Path) -> None:
    audit = write_months(tmp_path, 1)
    audit.path.write_text(json.dumps({"number": "x", "time": "../../etc"}) + "\n")
    audit.write(BOB, "page opened")
    assert audit.read_last(1)[0]["number"] == 1 and list_files(audit) == ["audit.jsonl"]
    assert audit.verify().broken_at == 1


def test_a_clock_that_is_set_back_breaks_nothing(tmp_path: Path) -> None:
    clock = Clock()
    audit = Audit(tmp_path, clock)
    for days in (0, 31, -60, -30, 62):
        clock.now = NOVEMBER + days * DAY
        audit.write(ANN, "page opened")
    assert len(list_files(audit)) == 4 and audit.verify().broken_at is None


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
