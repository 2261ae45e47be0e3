"""How benchmarks take time and memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

Key = TypeVar("Key")
Run = Callable[[], Any]


def take_time(run: Run) -> float:
    """Milliseconds of one run, until the device is done too."""
    _wait_for_device()
    started = time.perf_counter()
    run()
    _wait_for_device()
    return (time.perf_counter() - started) * 1000


def find_medians(runs: Mapping[Key, Run], repeats: int, warm_up: int = 2) -> dict[Key, float]:
    """Median milliseconds of each. They take turns, so that whatever disturbs the machine disturbs all of them."""
    taken: dict[Key, list[float]] = {name: [] for name in runs}
    for _ in range(warm_up):
        for run in runs.values():
            run()
    for _ in range(repeats):
        for name, run in runs.items():
            gc.collect()
            taken[name].append(take_time(run))
    return {name: statistics.median(times) for name, times in taken.items()}


def find_peak(run: Run) -> float | None:
    """MiB that a run takes at most beyond what was taken before it; None where the system does not say.

    The first run is not counted: it loads libraries. Call it in a process of its own, because memory that was freed
    before, but not given back to the system, would hide what the run takes.
    """
    run()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # forgets the highest so far
        resident = _read_status("VmRSS")
        run()
        return (_read_status("VmHWM") - resident) / 1024
    except OSError:
        return None


def find_highest() -> float | None:
    """MiB that this process held at most since it began; None where the system does not say."""
    try:
        return _read_status("VmHWM") / 1024
    except OSError:
        return None


def _read_status(field: str) -> int:
    """A field of what Linux says of this process, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def _wait_for_device() -> None:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
