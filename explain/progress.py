"""How far work is, and how it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from explain.errors import Cancelled

Progress = Callable[[float, str], None]
"""Called with the share done, 0…1, and what is being done."""


@dataclass(frozen=True)
class Watch:
    """Someone who follows a piece of work, and may stop it.

    Attributes:
        tell: told how far it is.
        cancel: stops it once set.
    """

    tell: Progress | None = None
    cancel: threading.Event | None = None

    def report(self, share: float, text: str = "") -> None:
        """Say how far the work is, 0…1, and what is being done."""
        if self.tell is not None:
            self.tell(share, text)

    def part(self, first: float, last: float, name: str = "") -> Watch:
        """The same for a part of the work, from share `first` of the whole to share `last`; what is said of the part
        comes after its name.
        """

        def tell(share: float, text: str) -> None:
            self.report(first + share * (last - first), ": ".join(filter(None, (name, text))))

        return Watch(tell, self.cancel)

    def stop_if_cancelled(self) -> None:
        """Raise `Cancelled` where the work is not wanted any more."""
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled("Stopped. Nothing was changed.")
