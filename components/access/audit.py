"""Who did what, when, to which picture, with which model: files that only grow, each line bound to the one before.

When a month is over its file is put aside, and the next begins with a line that says what the last one of it was bound
to. Files are deleted when their months are past, and a line says so: any other file that is missing breaks the chain.

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
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, takewhile
from pathlib import Path
from typing import Any, BinaryIO

from components.server.events import hash_with
from components.server.settings import read_server_settings
from explain.errors import ExplainError, StorageError
from explain.progress import Watch
from explain.rights import Actor, Result, need
from explain.storage import find_shared_folder, make_folder
from explain.training.process_lock import take_lock

_SAME = 600.0  # seconds within which the same of the same person is written once: sliders ask again and again
_MOST_REMEMBERED = 4_096
_LONGEST_LINE = 4_096  # bytes
_MOST_LINES_A_REPORT = 2_000
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_ASIDE = re.compile(r"audit-[0-9]{4}-[0-9]{2}-[0-9]{1,18}\.jsonl")  # of which month, and up to which line

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chain:
    """What became of a chain of lines.

    Attributes:
        lines: how many hold together, from the first that is kept.
        broken_at: number of the line that does not follow from the one before, from 1; None where all do.
        first: number of the first line that is kept; those before it were deleted when their months were past.
    """

    lines: int
    broken_at: int | None = None
    first: int = 1


class Audit:
    """The audit log. Safe to share between threads, and between servers that share the folder.

    Args:
        folder: of the files, their lock and their key.
        clock: seconds since 1970.
        months: how many of them are kept, beside the running one.

    Attributes:
        path: the file of the running month.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time, months: int = 72) -> None:
        self.path = folder / "audit.jsonl"
        self._key_path = folder / "key"
        self._clock = clock
        self._months = months
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
        entry = {
            "user": hash_with(key, f"user {user}") if user else "",
            "action": action,
            "picture": hash_with(key, f"picture {picture}") if picture else "",
            "model": model,
            "result": result,
        }
        with self._holding():
            files = self._list_files()
            last = _read_last(files[-1]) if files else {}
            began = str(last.get("time", ""))[:7]
            if self.path in files and _MONTH.fullmatch(began) and _write_month(now) > began:
                files[-1] = self.path.rename(self.path.with_name(f"audit-{began}-{_find_number(last)}.jsonl"))
            if last and self.path not in files[-1:]:
                begun = {"user": "", "action": "month begun", "before": last.get("chain", "")}
                last = self._add(key, now, last, begun)
                last = self._delete_old(key, now, last, files)
            self._add(key, now, last, entry)

    def _add(self, key: bytes, now: float, last: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
        """Write a line after the last one; it is the last one from then on."""
        numbered = {
            "number": _find_number(last) + 1,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
            **entry,
        }
        line = numbered | {"chain": _bind(key, str(last.get("chain", "")), numbered)}
        with open(os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
        return line

    def _delete_old(self, key: bytes, now: float, last: dict[str, Any], files: list[Path]) -> dict[str, Any]:
        """Delete the files whose months are past, once it is written down up to which line they go."""
        oldest = _write_month(now, self._months)
        old = list(takewhile(lambda path: path.stem.split("-", 1)[1] < oldest, files))
        if old:
            gone = {"user": "", "action": "months deleted", "to": _find_number(_read_last(old[-1]))}
            last = self._add(key, now, last, gone)
        for path in old:
            path.unlink(missing_ok=True)
        return last

    def read_last(self, most: int = 1_000) -> list[dict[str, Any]]:
        """The last lines, the newest first.

        Raises:
            RightsError: whoever acts may not read it.
        """
        need("audit")
        found: list[dict[str, Any]] = []
        with self._reading() as files:
            for file in reversed(files):
                found += [_parse(line) for line in reversed(deque(file, most - len(found)))]
        return found

    def read_file(self) -> bytes:
        """All lines that are kept.

        Raises:
            RightsError: whoever acts may not read it.
        """
        need("audit")
        with self._reading() as files:
            return b"".join(file.read() for file in files)

    def verify(self, watch: Watch | None = None) -> Chain:
        """Whether every line follows from the one before, through all files.

        Args:
            watch: told how far it is; may stop it.

        Raises:
            RightsError: whoever acts may not read it.
            Cancelled: it was stopped.
        """
        need("audit")
        watch = watch or Watch()
        key, read, before, number, first = self._read_key(), 0, "", 0, 0
        deleted = {0}  # lines up to which there are none any more
        with self._reading() as files:
            size = max(sum(os.fstat(file.fileno()).st_size for file in files), 1)
            for line in chain.from_iterable(files):
                entry = _parse(line)
                bound = entry.pop("chain", "")
                if not first:  # a file's first line says what the one before it is bound to
                    first = max(_find_number(entry), 1) if "before" in entry else 1
                    number, before = first - 1, str(entry.get("before", ""))
                if not hmac.compare_digest(str(bound), _bind(key, before, entry)) or entry.get("number") != number + 1:
                    return Chain(number + 1 - first, number + 1, first)
                deleted.add(entry.get("to", 0))
                before, number, read = str(bound), number + 1, read + len(line)
                if number % _MOST_LINES_A_REPORT == 0:
                    watch.stop_if_cancelled()
                    watch.report(min(read / size, 1.0), f"{number:,} lines follow from each other")
        first = max(first, 1)
        return Chain(number + 1 - first, None, first) if first - 1 in deleted else Chain(0, first, first)

    def _list_files(self) -> list[Path]:
        """Those that there are, from the oldest: by the numbers of their last lines, since a clock may be set back."""
        named = {path: _ASIDE.fullmatch(path.name) for path in self.path.parent.glob("audit-*.jsonl")}
        aside = sorted((path for path in named if named[path]), key=lambda path: int(path.stem.rpartition("-")[2]))
        return [*aside, self.path] if self.path.exists() else aside

    @contextlib.contextmanager
    def _holding(self) -> Iterator[None]:
        """While entered, no other server writes into the log."""
        holding = take_lock(self.path.with_suffix(".lock"))
        if holding is None:
            raise StorageError("Another server writes into the audit log and does not end.")
        with holding:
            yield

    @contextlib.contextmanager
    def _reading(self) -> Iterator[list[BinaryIO]]:
        """All files as they are now, from the oldest, whatever is put aside or deleted meanwhile."""
        with contextlib.ExitStack() as opened:
            files: list[BinaryIO] = []
            if self._list_files():
                with self._holding():
                    files = [opened.enter_context(path.open("rb")) for path in self._list_files()]
            yield files

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


def _find_number(entry: dict[str, Any]) -> int:
    """A line's number; 0 where it has none."""
    number = entry.get("number")
    return number if isinstance(number, int) else 0


def _read_last(path: Path) -> dict[str, Any]:
    """The fields of a file's last line; none where it has none."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _LONGEST_LINE))
        lines = file.read().splitlines()
    return _parse(lines[-1]) if lines else {}


def _write_month(now: float, before: int = 0) -> str:
    """The month of a time, or one so many months before it."""
    at = time.gmtime(now)
    year, month = divmod(at.tm_year * 12 + at.tm_mon - 1 - before, 12)
    return f"{year:04}-{month + 1:02}"


def _bind(key: bytes, before: str, entry: dict[str, Any]) -> str:
    """What binds a line to the one before it."""
    return hmac.new(key, f"{before}\n{json.dumps(entry, sort_keys=True)}".encode(), "sha256").hexdigest()


@cache
def find_audit() -> Audit:
    """That of this server, and of all that share its data folder.

    Raises:
        StorageError: this account has no home.
    """
    return Audit(find_shared_folder() / "access", months=read_server_settings().audit_months)
