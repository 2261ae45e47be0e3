"""Who did what, when, to which picture, with which model: a file that only grows, each line bound to the one before.

No name of a person or a file stands in it, and no digest by which a picture that somebody has could be looked for: all
are keyed. The key lies beside the file. Whoever may write both can forge all of it, and what is cut off at the end
leaves no trace: where that matters, keep the last line elsewhere from time to time.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from components.server.events import hash_with
from explain.errors import ExplainError, StorageError
from explain.progress import Watch
from explain.rights import Actor, Result, need
from explain.storage import find_shared_folder, make_folder, read_file
from explain.training.process_lock import take_lock

_SAME = 600.0  # seconds within which the same of the same person is written once: sliders ask again and again
_MOST_REMEMBERED = 4_096
_LONGEST_LINE = 4_096  # bytes
_MOST_LINES_A_REPORT = 2_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chain:
    """What became of a chain of lines.

    Attributes:
        lines: how many hold together, from the first.
        broken_at: number of the line that does not follow from the one before, from 1; None where all do.
    """

    lines: int
    broken_at: int | None = None


class Audit:
    """The audit log. Safe to share between threads, and between servers that share the folder.

    Args:
        folder: of the file, its lock and its key.
        clock: seconds since 1970.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = folder / "audit.jsonl"
        self._key_path = folder / "key"
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[tuple[str, ...], float] = {}

    def write(self, actor: Actor, action: str, picture: str = "", model: str = "", result: Result = "done") -> None:
        """Add a line. What cannot be written is said in the server's log, and stops nobody.

        Args:
            actor: who did it.
            action: what, as a word of a closed set.
            picture: digest of the picture.
            model: fingerprint of the model.
            result: whether it was done.
        """
        now = self._clock()
        with self._lock:
            what = (actor.key, action, picture, model, result)
            if now - self._last.get(what, -_SAME) < _SAME and picture:
                return
            if len(self._last) >= _MOST_REMEMBERED:
                self._last = {one: then for one, then in self._last.items() if now - then < _SAME / 2}
            self._last[what] = now
            try:
                self._append(now, actor.key, action, picture, model, result)
            except (OSError, ExplainError) as error:
                _log.error("A line of the audit log could not be written", exc_info=error)

    def _append(self, now: float, user: str, action: str, picture: str, model: str, result: str) -> None:
        make_folder(self.path.parent)
        key = self._read_key()
        holding = take_lock(self.path.with_suffix(".lock"))
        if holding is None:
            raise StorageError("Another server writes into the audit log and does not end.")
        with holding, open(os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _LONGEST_LINE))
            lines = file.read().splitlines()
            last: dict[str, Any] = _parse(lines[-1]) if lines else {}
            entry = {
                "number": int(last.get("number", 0)) + 1,
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
                "user": hash_with(key, f"user {user}") if user else "",
                "action": action,
                "picture": hash_with(key, f"picture {picture}") if picture else "",
                "model": model,
                "result": result,
            }
            line = entry | {"chain": _bind(key, str(last.get("chain", "")), entry)}
            file.write(json.dumps(line).encode() + b"\n")

    def read_last(self, most: int = 1_000) -> list[dict[str, Any]]:
        """The last lines, the newest first.

        Raises:
            RightsError: whoever acts may not read it.
        """
        need("audit")
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            return [_parse(line) for line in reversed(deque(file, most))]
        return []

    def read_file(self) -> bytes:
        """The whole file.

        Raises:
            RightsError: whoever acts may not read it.
        """
        need("audit")
        return read_file(self.path)

    def verify(self, watch: Watch | None = None) -> Chain:
        """Whether every line follows from the one before.

        Args:
            watch: told how far it is; may stop it.

        Raises:
            RightsError: whoever acts may not read it.
            Cancelled: it was stopped.
        """
        need("audit")
        watch = watch or Watch()
        if not self.path.exists():
            return Chain(0)
        key, size, read, before, number = self._read_key(), max(self.path.stat().st_size, 1), 0, "", 0
        for line in self._list_lines():
            entry = _parse(line)
            chain = entry.pop("chain", "")
            bound = hmac.compare_digest(str(chain), _bind(key, before, entry))
            if not bound or entry.get("number") != number + 1:
                return Chain(number, number + 1)
            before, number, read = str(chain), number + 1, read + len(line)
            if number % _MOST_LINES_A_REPORT == 0:
                watch.stop_if_cancelled()
                watch.report(min(read / size, 1.0), f"{number:,} lines follow from each other")
        return Chain(number)

    def _list_lines(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            yield from file

    def _read_key(self) -> bytes:
        """The key of this folder, made when it is first needed; of two who make it at once, the first one's."""
        with contextlib.suppress(FileNotFoundError):
            return self._key_path.read_bytes()
        make_folder(self._key_path.parent)
        own = self._key_path.with_name(f".key-{secrets.token_hex(8)}")
        with open(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        with contextlib.suppress(FileExistsError):
            os.link(own, self._key_path)
        own.unlink()
        return self._key_path.read_bytes()


def _parse(line: bytes) -> dict[str, Any]:
    """A line's fields; none where it is no line of ours."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _bind(key: bytes, before: str, entry: dict[str, Any]) -> str:
    """What binds a line to the one before it."""
    return hmac.new(key, f"{before}\n{json.dumps(entry, sort_keys=True)}".encode(), "sha256").hexdigest()


@cache
def find_audit() -> Audit:
    """That of this server, and of all that share its data folder.

    Raises:
        StorageError: this account has no home.
    """
    return Audit(find_shared_folder() / "access")
