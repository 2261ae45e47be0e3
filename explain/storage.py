"""Where what people make is kept, and how it gets there whole."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from explain.errors import ExplainError, StorageError
from explain.rights import find_actor

VARIABLE = "CAMSCOPE_HOME"
PEOPLE = "people"
"""In it, the folders of those who log in."""

PROGRAM = Path(__file__).resolve().parents[1]
"""The folder that CAMscope is run from."""

_PART = ".part"
_LEFTOVER_AFTER = 24 * 3600  # seconds: no file takes so long to write


def find_data_folder() -> Path:
    """Where what a person makes is kept: their own part of the shared folder where people log in, else all of it. Makes
    nothing.

    Raises:
        StorageError: nobody is logged in where people do, or this account has no home.
    """
    actor = find_actor()
    if actor is None:
        return find_shared_folder()
    if not actor.key:
        raise StorageError("Nothing is kept for who is not logged in. Log in again.")
    return find_shared_folder() / PEOPLE / actor.key


def find_shared_folder() -> Path:
    """The folder that `CAMSCOPE_HOME` names, else `camscope` where this platform keeps a person's data. Makes nothing.

    Raises:
        StorageError: this account has no home.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if named:
        return Path(named)
    try:
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Application Support"
        else:
            base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    except RuntimeError:
        raise StorageError(f"This account has no home folder. Name a folder in {VARIABLE}.") from None
    return Path(base) / "camscope"


def list_data_folders() -> list[Path]:
    """The shared folder, and those of all people in it: what one person's work must leave to others is counted in all.

    Raises:
        StorageError: this account has no home.
    """
    shared = find_shared_folder()
    return [shared, *sorted((shared / PEOPLE).glob("*"))]


def own_environment() -> dict[str, str]:
    """The environment of a process of CAMscope's own, which finds this very CAMscope first, and then what its caller
    finds: on clusters libraries are often found by `PYTHONPATH` alone.
    """
    path = os.pathsep.join(filter(None, (str(PROGRAM), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": path}


def data_folder() -> Path:
    """As `find_data_folder`, and the folder is made if missing; nobody else may look into it.

    Raises:
        StorageError: it cannot be made.
    """
    folder = find_data_folder()
    make_folder(folder)
    return folder


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, if missing.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _refuse(error) from None


def write_atomically(path: Path, data: bytes, sync: bool = True) -> None:
    """Write a file whole or not at all: into a temporary one beside it, which then takes its name.

    Args:
        path: where to; its folder is made if missing.
        data: the whole content.
        sync: wait until the disk has it. Left out for files whose content is checked when they are read.

    Raises:
        StorageError: the disk is full, or cannot be written; what was there before is still there.
    """
    with open_atomically(path, sync) as file:
        file.write(data)


@contextlib.contextmanager
def open_atomically(path: Path, sync: bool = True) -> Iterator[IO[bytes]]:
    """As `write_atomically`, for what is too large to be held: a file that takes its name when this is left.

    Args:
        path: see there.
        sync: see there.

    Raises:
        StorageError: see there. Whatever is raised meanwhile, nothing is left behind.
    """
    make_folder(path.parent)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=_PART, delete=False) as file:
            temporary = file.name
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise _refuse(error) from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote into a folder."""
    for path in folder.glob(f".*{_PART}"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _LEFTOVER_AFTER:
                path.unlink()


def _refuse(error: OSError) -> StorageError:
    """The reason in a sentence. The path is left out: whoever reads this may sit at another computer."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError("The disk is full, so nothing was saved. Make room and try again.")
    return StorageError(
        f"Nothing was saved, because CAMscope's data folder cannot be written ({error.strerror or error}). "
        f"Name another folder in {VARIABLE}."
    )


def read_file(path: Path, kind: type[ExplainError] = ExplainError) -> bytes:
    """The file's bytes; one that cannot be read is an error of the given kind, with the reason in a sentence."""
    try:
        return expand_home(path).read_bytes()
    except (OSError, ValueError) as error:  # a ValueError is a name that no file can have
        raise kind(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def expand_home(path: Path) -> Path:
    """The path with the person's home in place of `~`; as it is where nobody has that home."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


@contextlib.contextmanager
def refusing_to_write(folder: Path) -> Iterator[None]:
    """While entered, what the disk refuses is a sentence.

    Raises:
        ExplainError: a file could not be written.
    """
    try:
        yield
    except OSError as error:
        raise ExplainError(
            f"Nothing can be written to {folder}: {error.strerror or error}. Name another folder."
        ) from None


def check_folder(folder: Path) -> Path:
    """Refuse a folder that cannot be made or written, before the work whose results it is to hold. Leaves nothing.

    Returns:
        The folder, with the home in place of `~`.

    Raises:
        ExplainError: nothing can be written there.
    """
    folder = expand_home(folder)
    with refusing_to_write(folder), contextlib.ExitStack() as stack:
        for place in reversed([folder, *folder.parents]):
            if not place.exists():
                place.mkdir()
                stack.callback(place.rmdir)
        with tempfile.TemporaryFile(dir=folder):
            pass
    return folder
