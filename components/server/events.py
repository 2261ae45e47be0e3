"""The log of a shared server: one line of JSON an event, and nothing in it that is somebody's.

No text that anybody gave: sentences for people call files by their names, and so do the errors of libraries. Sessions
and people are written as keyed digests: of one boot and of one server, so that lines belong together and say no more.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from components.server.limits import Rate

Event = Literal[
    "server started", "server stopped", "page opened", "page closed", "upload", "answered", "refused", "log-in ended"
]
Reason = Literal[
    "host",
    "identity",
    "origin",
    "length",
    "size",
    "uploads",
    "logins",
    "connections",
    "sessions",
    "name",
    "metrics",
    "method",
    "owner",
]
"""Why somebody or something was refused."""

_FIGURES = "figures"  # of an event, on its record
_LONGEST = 200  # characters of what a library says
_MOST_LINES = 600  # of one kind in a minute
_NO_ERROR = "ASGI callable returned without completing handshake."  # Uvicorn's word for a connection that was refused
_FRAMES = 12  # of an error's way, from where it was raised

_BOOT_KEY = secrets.token_bytes(32)

_log = logging.getLogger("camscope.events")


def hash_session(session: str) -> str:
    """A session as the log names it until the server starts again."""
    return hash_with(_BOOT_KEY, session)


def hash_with(key: bytes, text: str) -> str:
    """A digest that says nothing to who has not the key."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16]


def log_event(event: Event, session: str = "", **figures: float | Reason) -> None:
    """Write that something happened; only where the log was started.

    Args:
        session: whose; written as a digest.
        figures: numbers, and words of closed sets. Never a name, a digest of a picture, or a sentence.
    """
    if session:
        figures = {"session": hash_session(session), **figures}  # type: ignore[dict-item]
    _log.info(event, extra={_FIGURES: figures})


class Line(logging.Formatter):
    """Writes a record as a line of JSON: of an event all, of what else is logged the pattern without what was filled
    in, and of an error its type and where it was raised.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
        }
        figures: Mapping[str, Any] | None = getattr(record, _FIGURES, None)
        if figures is not None:
            line |= {"event": record.msg, **figures}
        else:
            text = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
            line |= {"event": "log", "logger": record.name, "text": text.partition("\n")[0][:_LONGEST]}
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is not None:
            frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
            line["error"] = type(error).__name__
            line["at"] = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line)


class Calm(logging.Filter):
    """Lets no more than so many lines of one kind through in a minute: nobody fills a disk by being refused, or by
    coming and going. The metrics count all.
    """

    def __init__(self, most: int = _MOST_LINES) -> None:
        super().__init__()
        self._rate = Rate(most)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is written."""
        figures: Mapping[str, Any] = getattr(record, _FIGURES, {})
        if record.msg == _NO_ERROR:
            return False
        return self._rate.take(f"{record.name} {record.msg} {figures.get('reason', '')}"[:_LONGEST])


def start_log() -> None:
    """From now on all that this process logs is written so, by whomever, and each line to the standard error."""
    handler, last = _make_handler(logging.NOTSET), _make_handler(logging.WARNING)
    logging.lastResort = last  # Streamlit and Uvicorn leave some of each other's loggers without any
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in list(logging.Logger.manager.loggerDict):
        logger = logging.getLogger(name)
        if logger.handlers:  # Streamlit's and Uvicorn's have some of their own
            logger.handlers, logger.propagate = [handler], False
    _log.handlers, _log.propagate = [handler], False
    _log.setLevel(logging.INFO)
    logging.setLogRecordFactory(_make_record)  # for handlers that somebody adds later
    logging.captureWarnings(True)
    threading.excepthook = lambda failed: _log_failure(failed.exc_value)
    sys.excepthook = lambda _, error, __: _log_failure(error)


def _make_handler(level: int) -> logging.StreamHandler[Any]:
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.setFormatter(Line())
    handler.addFilter(Calm())
    return handler


def _make_record(*given: Any, **named: Any) -> logging.LogRecord:
    """A record without what was filled in and without an error's text, whoever writes it."""
    record = logging.LogRecord(*given, **named)
    record.args = ()
    if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
        record.exc_text = record.exc_info[0].__name__
    return record


def _log_failure(error: BaseException | None) -> None:
    logging.getLogger(__name__).error("A thread ended in an error", exc_info=error)
