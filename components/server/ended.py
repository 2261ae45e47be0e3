"""Log-ins that are over though their cookie still holds: Streamlit's is signed, and nobody can take a signature back.

Each is an empty file in the data folder, so that all servers that share the folder know of it. Its name is a digest.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from components.server.settings import read_server_settings
from explain.errors import StorageError
from explain.storage import find_shared_folder, make_folder

_TELL_APART = ("iss", "sub", "sid", "jti", "iat", "nonce")  # no two log-ins of a person have all of these in common

_log = logging.getLogger(__name__)


def name_log_in(claims: Mapping[str, Any]) -> str:
    """A digest that stands for one log-in of one person."""
    return hashlib.sha256(json.dumps([claims.get(name) for name in _TELL_APART]).encode()).hexdigest()


class Ended:
    """The log-ins that are over.

    Args:
        folder: where they are written down.
        hours: after which a log-in's cookie holds no longer of itself, so that it need not be known any more.
        clock: seconds since 1970.
    """

    def __init__(self, folder: Path, hours: float, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._seconds = hours * 3600
        self._clock = clock
        self._own: dict[str, float] = {}  # for a disk that cannot be written

    def add(self, claims: Mapping[str, Any]) -> None:
        """A log-in is over."""
        name, now = name_log_in(claims), self._clock()
        self._own = {one: ended for one, ended in self._own.items() if now - ended < self._seconds} | {name: now}
        try:
            make_folder(self._folder)
            (self._folder / name).touch()
            os.utime(self._folder / name, (now, now))  # by this clock, not by that of a disk elsewhere
            for path in self._folder.iterdir():
                if now - path.stat().st_mtime > self._seconds:
                    path.unlink(missing_ok=True)
        except (OSError, StorageError):
            _log.error("That a log-in is over could not be written down: other servers do not know of it")

    def has(self, claims: Mapping[str, Any]) -> bool:
        """Whether it is over."""
        name = name_log_in(claims)
        return name in self._own or (self._folder / name).exists()


@cache
def find_ended() -> Ended:
    """Those of this server, and of all that share its data folder.

    Raises:
        StorageError: this account has no home.
    """
    return Ended(find_shared_folder() / "access" / "ended", read_server_settings().login_hours)
