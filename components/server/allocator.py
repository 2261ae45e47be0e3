"""What is freed goes back to the system. glibc would keep much of it: it is no other's malloc, and elsewhere nothing is
done here.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from contextlib import suppress

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
_ARENAS = 2


def bound_arenas(environment: Mapping[str, str] = os.environ) -> None:
    """Let all threads allocate from few places, unless `MALLOC_ARENA_MAX` says from how many. By itself glibc has eight
    a core, and each keeps the pages on which anything is left. Call it before there are many threads.
    """
    if "MALLOC_ARENA_MAX" not in environment:
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Give all whole pages that are free back."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
