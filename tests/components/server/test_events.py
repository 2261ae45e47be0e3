"""What the log says, and what it never does."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from components.server import events
from components.server.events import Calm, Line, hash_session, log_event

CANARY = "Mustermann_Erika_1950.dcm"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as it is written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Line())
    before = events._log.level
    loggers = [events._log, logging.getLogger("components.test")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    yield stream
    for logger in loggers:
        logger.removeHandler(handler)
    events._log.setLevel(before)


def test_an_event_is_a_line_of_json_and_its_session_a_digest(lines: io.StringIO) -> None:
    log_event("upload", "session-1", bytes=12)
    log_event("refused", reason="size", status=413)
    upload, refused = map(json.loads, lines.getvalue().splitlines())
    assert upload["event"] == "upload" and upload["bytes"] == 12
    assert upload["session"] == hash_session("session-1") and "session-1" not in lines.getvalue()
    assert (refused["reason"], refused["status"], "session" in refused) == ("size", 413, False)
    assert upload["time"].endswith("Z") and upload["level"] == "info"


def test_the_digest_is_of_this_boot() -> None:
    assert hash_session("session-1") == hash_session("session-1") != hash_session("session-2")
    assert events.hash_with(b"another boot", "session-1") != hash_session("session-1")


def test_nothing_that_was_filled_in_and_no_errors_text_is_written(lines: io.StringIO) -> None:
    log = logging.getLogger("components.test")
    try:
        raise ValueError(f"{CANARY} is no picture")
    except ValueError:
        log.exception("%s could not be read", CANARY)
    log.warning("Task exception was never retrieved\nfuture: exception=ValueError('%s')", CANARY)
    log.warning(ValueError(CANARY))
    assert CANARY not in lines.getvalue()
    failed, task, other = map(json.loads, lines.getvalue().splitlines())
    assert (failed["text"], failed["error"]) == ("%s could not be read", "ValueError")
    assert failed["at"][0].startswith("test_events.py:")
    assert task["text"] == "Task exception was never retrieved"
    assert other["text"] == "ValueError"


def test_handlers_of_others_write_no_more_either() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    try:
        raise ValueError(CANARY)
    except ValueError:
        record = events._make_record("a", logging.ERROR, "a.py", 1, "no %s", (CANARY,), sys.exc_info())
    handler.emit(record)
    assert CANARY not in stream.getvalue()
    assert stream.getvalue().endswith("no %s\nValueError\n")


def test_nobody_fills_the_log_by_being_refused(lines: io.StringIO) -> None:
    events._log.handlers[-1].addFilter(Calm(3))
    for _ in range(9):
        log_event("refused", reason="size", status=413)
        log_event("refused", reason="host", status=400)
        events._log.error("Somebody says %s", CANARY)
        events._log.error("ASGI callable returned without completing handshake.")
    written = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [line.get("reason") for line in written] == ["size", "host", None] * 3
