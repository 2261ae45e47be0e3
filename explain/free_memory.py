"""How much memory there is for this process: the machine's, or what its container or service was given of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")

# Of both versions of Linux's control groups: the limit, what of it is used, and which line of memory.stat says how much
# of that is files read once, which the system gives up before it refuses anybody memory.
_NEW = ("memory.max", "memory.current", "inactive_file")
_OLD = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def find_memory() -> int | None:
    """Bytes of memory that this process may have at most; None on systems that do not say."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else None
    return min([limit for limit, _ in _read_limits()] + ([whole] if whole else []), default=None)


def find_free_memory() -> int | None:
    """Bytes that this process may still take, by what Linux says; None where nobody says it."""
    found = [max(0, limit - used) for limit, used in _read_limits()]
    with suppress(OSError, ValueError, IndexError):
        (line,) = [one for one in _MEMINFO.read_text().splitlines() if one.startswith("MemAvailable:")]
        found.append(int(line.split()[1]) * 1024)
    return min(found, default=None)


def measure_free_memory() -> float:
    """The share of the memory that is free, 0…1; 1 on systems that do not say."""
    free, whole = find_free_memory(), find_memory()
    return 1.0 if free is None or not whole else min(1.0, free / whole)


def _read_limits() -> Iterator[tuple[int, int]]:
    """Of each group with a limit that this process is in, the limit and what of it cannot be given up, in bytes."""
    for folder, (limit, used, given_up) in _list_groups():
        with suppress(OSError, ValueError):  # without a limit it says "max", or is no file
            most = int((folder / limit).read_text())
            taken = int((folder / used).read_text())
            lines = [line.split() for line in (folder / "memory.stat").read_text().splitlines()]
            yield most, taken - sum(int(line[1]) for line in lines if line[0] == given_up)


def _list_groups() -> Iterator[tuple[Path, tuple[str, str, str]]]:
    """The groups of this process and those that these are in. A container sees its own as the outermost one, and may
    still be told the name that it has outside.
    """
    paths: dict[str, str] = {}
    with suppress(OSError, ValueError):
        for line in _OWN_GROUPS.read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            paths.update(dict.fromkeys(kinds.split(","), path))
    for root, names, kind in ((_GROUPS, _NEW, ""), (_GROUPS / "memory", _OLD, "memory")):
        own = root / paths.get(kind, "/").lstrip("/")
        for folder in (own, *own.parents):
            if folder.is_relative_to(root):
                yield folder, names
