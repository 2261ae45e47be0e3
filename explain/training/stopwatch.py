"""Time and chance of any training: seconds without pauses, whether to stop, and draws that follow from a seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from explain.errors import Cancelled


class Stopwatch:
    """Seconds, without those in which the training was paused; and whether it is to stop.

    Args:
        should_stop: asked in every step; may take its time, which is how a training is paused.
    """

    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self._should_stop = should_stop
        self._idle = 0.0

    def read(self) -> float:
        """The seconds so far, from some beginning."""
        return time.perf_counter() - self._idle

    def stop_if_asked(self) -> None:
        """Raise where the training is to stop.

        Raises:
            Cancelled: it is.
        """
        asked = time.perf_counter()
        stop = self._should_stop()
        self._idle += time.perf_counter() - asked
        if stop:
            raise Cancelled("The training was stopped.")


@contextmanager
def seeded(seed: int, number: int, device: torch.device) -> Iterator[None]:
    """Random draws that follow from a recipe's seed and a number; those of others go on undisturbed."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed * 2000 + number)
        yield
