"""How far a command is, on the error stream: what it prints itself may go into a file or another program."""

from __future__ import annotations

import math
import sys

from explain.percent import write_percent

_ROUNDING = 1e-6


def say_progress(share: float, text: str, before: float = 0.0, part: float = 1.0) -> None:
    """Say in a line how far the whole is.

    Args:
        share: how much of what is under way is done, 0…1.
        text: what is being done.
        before: how much of the whole was done before that, 0…1.
        part: how much of the whole that is, 0…1.
    """
    done = math.floor(100 * (before + part * share) + _ROUNDING) / 100  # the whole is said to be done once it is
    print(f"[{write_percent(done):>5}] {text}", file=sys.stderr)
