"""A file that a process holds for as long as it lives: the system lets go of it however the process ends."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import BinaryIO

_SECONDS_TO_TRY = 0.5


def take_lock(path: Path) -> BinaryIO | None:
    """Hold a file until what is returned is closed or the process ends; None where another one holds it."""
    file = path.open("ab")
    until = time.monotonic() + _SECONDS_TO_TRY  # whoever asks `is_locked` holds it for a moment
    while not _try(file):
        if time.monotonic() > until:
            file.close()
            return None
        time.sleep(0.02)
    file.truncate(0)
    file.write(str(os.getpid()).encode())  # for whoever looks into the folder
    file.flush()
    return file


def is_locked(path: Path) -> bool:
    """Whether a living process holds the file."""
    try:
        with path.open("rb+") as file:
            return not _try(file)
    except FileNotFoundError:
        return False


def _try(file: BinaryIO) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
