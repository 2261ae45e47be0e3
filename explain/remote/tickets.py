"""With which ticket a question of another server waits: fairness holds between its sessions, and those of others."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from explain.engine.admission import Ticket
from explain.remote.wire import Asking

_MOST_KEPT = 4096


class Tickets:
    """The tickets of those who ask. One question may ask several times, and what it had until then counts: it becomes
    long, and it is not taken for a newer one of its pane. Safe to share by threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, int], Ticket] = OrderedDict()
        self._taken: set[tuple[str, int]] = set()

    @contextmanager
    def taking(self, asking: Asking | None, cancel: threading.Event) -> Iterator[Ticket]:
        """While entered, a question waits with its ticket.

        Args:
            asking: who asks; None for nobody's.
            cancel: set where it is not wanted any more.
        """
        if asking is None:
            yield Ticket(cancel=cancel)
            return
        key = asking.session, asking.number
        with self._lock:
            ticket = self._known.get(key)
            mine = key not in self._taken
            if ticket is None or not mine:  # two threads of one question wait each with its own
                ticket = Ticket(asking.session, asking.pane, asking.kind, number=asking.number)
            if mine:
                self._taken.add(key)
                self._known[key] = ticket
                self._known.move_to_end(key)
                while len(self._known) > _MOST_KEPT:
                    self._known.popitem(last=False)
            ticket.cancel = cancel
        try:
            yield ticket
        finally:
            with self._lock:
                if mine:
                    self._taken.discard(key)
