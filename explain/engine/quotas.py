"""What one person may take of a machine that many share. Each is declared once, and set by `CAMSCOPE_` and its name."""

from __future__ import annotations

import os
from collections.abc import Mapping

from explain.pictures.bounds import MAX_BYTES
from explain.settings import Settings, read_environment, setting


class Quotas(Settings):
    """The quotas of a server. None of them is felt by one person alone: see `explain.engine.admission`."""

    slots: int = setting(
        0, "Slots", "How many networks run at once. 0: one a device, on a CPU one for its cores.", low=0, high=1024
    )
    queue_length: int = setting(64, "Queue", "How many questions may wait before one is refused.", low=1, high=10_000)
    queue_seconds: float = setting(
        60.0, "Longest wait", "After so long a question that has not begun is given up.", unit="s", low=0.1, high=86_400
    )
    run_seconds: float = setting(
        300.0, "Longest run", "After so long a question is stopped where others wait.", unit="s", low=1, high=86_400
    )
    passes_a_minute: int = setting(
        600, "Passes a minute", "Who runs a network more often goes after all others.", low=1, high=10_000_000
    )
    decoded_mb: float = setting(
        512.0, "Pixels of a session", "Of all pictures at hand.", unit="MiB", low=0.001, high=1_048_576
    )
    decoded_share: float = setting(0.4, "Pixels of all sessions", "Of this machine's memory, 0…1.", low=0.001, high=1.0)
    pictures: int = setting(24, "Pictures of a session", "How many may be at hand.", low=1, high=10_000)
    picture_mb: float = setting(
        MAX_BYTES / 1e6, "A picture", "How large the file of one may be.", unit="MB", low=0.001, high=MAX_BYTES / 1e6
    )
    idle_captures_seconds: float = setting(
        600.0, "Captures kept", "How long what a network saw is kept unused.", unit="s", low=1, high=604_800
    )
    idle_pictures_seconds: float = setting(
        1200.0,
        "Pictures kept",
        "How long pictures of who does nothing are kept while others work.",
        unit="s",
        low=1,
        high=604_800,
    )


def read_quotas(environment: Mapping[str, str] = os.environ) -> Quotas:
    """The quotas that the environment sets, and the defaults of the others.

    Raises:
        ExplainError: a variable has a value that it cannot have.
    """
    return read_environment(Quotas, environment)
