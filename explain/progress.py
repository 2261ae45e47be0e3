"""How far work is, and how it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable

from explain.errors import Cancelled

Progress = Callable[[float, str], None]
"""Called with the share done, 0…1, and what is being done."""


def stop_if(cancel: threading.Event | None) -> None:
    """Raise `Cancelled` once `cancel` is set."""
    if cancel is not None and cancel.is_set():
        raise Cancelled("Stopped. Nothing was changed.")
