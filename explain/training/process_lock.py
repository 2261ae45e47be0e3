"""A file that a process holds for as long as it lives: the system lets go of it however the process ends."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import BinaryIO

_TRIES = 100
_SECONDS_BETWEEN_TRIES = 0.02


def take_lock(path: Path) -> BinaryIO | None:
    """Hold a file until what is returned is closed or the process ends; None where another one holds it."""
    file = path.open("ab")
    # Whoever asks `is_locked` keeps it from others for a moment. Tries are counted, not seconds: a machine that stands
    # still for longer has not tried again.
    for _ in range(_TRIES):
        if _try(file):
            break
        time.sleep(_SECONDS_BETWEEN_TRIES)
    else:
        file.close()
        return None
    file.truncate(0)
    file.write(str(os.getpid()).encode())  # for whoever looks into the folder
    file.flush()
    return file


def is_locked(path: Path) -> bool:
    """Whether a living process holds the file. Any number may ask at once."""
    try:
        with path.open("rb+") as file:
            return not _try(file, shared=True)
    except FileNotFoundError:
        return False


def _try(file: BinaryIO, shared: bool = False) -> bool:
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
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
