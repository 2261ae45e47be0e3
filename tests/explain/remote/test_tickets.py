"""One question of another server keeps one ticket, however often it asks; others have their own."""

from __future__ import annotations

import threading

from explain.remote import tickets
from explain.remote.tickets import Tickets
from explain.remote.wire import Asking

ANN, BOB = "a" * 64, "b" * 64


def test_a_question_keeps_its_ticket() -> None:
    known = Tickets()
    first, second = threading.Event(), threading.Event()
    with known.taking(Asking(session=ANN, number=3, pane="grid", kind="long"), first) as ticket:
        assert (ticket.session, ticket.number, ticket.pane, ticket.kind) == (ANN, 3, "grid", "long")
        assert ticket.cancel is first
        with known.taking(Asking(session=ANN, number=3), second) as beside:  # by another thread of the same question
            assert beside is not ticket and beside.cancel is second and ticket.cancel is first
    with known.taking(Asking(session=ANN, number=3), second) as again:
        assert again is ticket and again.cancel is second
    for other in (Asking(session=BOB, number=3), Asking(session=ANN, number=4)):
        with known.taking(other, first) as another:
            assert another is not ticket
    with known.taking(None, first) as nobody:
        assert nobody.session == "" and nobody.cancel is first


def test_not_all_are_remembered_for_ever(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(tickets, "_MOST_KEPT", 3)
    known = Tickets()
    for number in range(10):
        with known.taking(Asking(session=ANN, number=number), threading.Event()):
            pass
    assert len(known._known) == 3 and not known._taken
