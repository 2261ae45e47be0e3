"""Work in a process of its own that outlives the page which began it: known by a token, held by a lock, and swept out
when its days are past. Importing this does not import torch.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from explain.errors import ExplainError
from explain.storage import PROGRAM, VARIABLE, find_data_folder, own_environment
from explain.training.process_lock import is_locked

DAYS_KEPT = 14
"""What ended longer ago, or was left lying, is swept out with its pictures; see `sweep`."""

LOCK = "alive"
"""The file in a work's folder that its process holds as long as it lives."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_SECONDS_TO_START = 300.0


def make_token() -> str:
    """A token as no other: whoever knows it may see and steer the work."""
    return secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Whether a text is a well-formed token: nothing else ever becomes part of a path."""
    return _TOKEN.fullmatch(text) is not None


def launch(module: str, folder: Path, name: str, is_over: Callable[[], bool]) -> None:
    """Start the process and wait until it has the lock, so that it never reads as interrupted at its start.

    Args:
        module: what is run, with the work's token, which is the name of its folder.
        folder: of the work.
        name: what a sentence calls the work, such as “The training”.
        is_over: whether the process has said how it ended, which it may before anybody looks at the lock.

    Raises:
        ExplainError: no process can be started.
    """
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, folder.name],
            cwd=PROGRAM,
            env={
                **own_environment(),
                VARIABLE: str(find_data_folder().absolute()),
                "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 2)),  # the dashboard's own work comes first
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it outlives the server, and Ctrl-C there does not reach it
        )
    threading.Thread(target=process.wait, daemon=True, name=module).start()
    until = time.monotonic() + _SECONDS_TO_START
    while not is_locked(folder / LOCK):
        if process.poll() is not None or time.monotonic() > until:
            if is_over():
                return
            process.kill()
            raise ExplainError(f"{name} could not be started. Its folder has a log that says why.")
        time.sleep(0.02)


def delete(folder: Path, name: str, work: str) -> None:
    """Delete all that is kept of a work.

    Args:
        folder: of the work.
        name: what a sentence calls it, such as “The training”.
        work: how one speaks of it where it is at hand, such as “This training”.

    Raises:
        ExplainError: it is at work, or the disk does not let it.
    """
    if is_locked(folder / LOCK):
        raise ExplainError(f"{work} is at work. Cancel it first, then delete it.")
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ExplainError(f"{name} cannot be deleted ({error.strerror or error}).") from None


def sweep(place: Path) -> None:
    """Delete the works below a folder that nobody has touched for `DAYS_KEPT` days and no process is at."""
    oldest = time.time() - DAYS_KEPT * 86_400
    for folder in place.glob("*"):
        with contextlib.suppress(OSError):
            touched = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            if touched < oldest and not folder.is_symlink() and not is_locked(folder / LOCK):
                shutil.rmtree(folder, ignore_errors=True)
