"""Who goes next where several ask at once: fairly between sessions, quick before long, and never for ever.

Every pass of every network goes through `Admission.turn`, which `Machine.turn` takes first. There are as many turns at
once as there are slots; whoever finds none waits. A question waits again for each picture and for each chunk of its
passes, so that long work makes way there, where it looks for `cancel` anyway.

- *touch*: what is answered from memory, such as a slider. It takes no slot and waits for nobody.
- *look*: a picture or a class that is new. *long*: what has taken more than a second so far, or says so at once. It
  goes after every look. *batch*: what nobody sits and waits for, such as verdicts and whole series. It goes last, and
  may wait and run as long as it takes.
- Of one kind the session goes first that has had the least: the seconds that its passes took and, of those being run,
  are expected to take (as in start-time fair queueing; Goyal, Vin, Cheng 1996). Twenty-four pictures hold up one
  picture by one turn and not by twenty-four.
- One turn in `_SHARE` goes to the oldest question, of whatever kind, so that nothing starves.
- Who runs more passes a minute than the quota goes after all others; alone on the machine, nobody notices.
- Of two questions of one pane only the newer is wanted; the older stops at its next turn, or waits no more.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, get_args

from explain.engine.counted import Spread
from explain.engine.quotas import Quotas
from explain.errors import Busy, Cancelled
from explain.passes.count import Passes

Kind = Literal["look", "long", "batch"]
Class = Literal["touch", "look", "long", "batch"]

LONG_AFTER = 1.0
"""Seconds of the device after which a question is long."""

_RANKS: dict[Kind, int] = {"look": 0, "long": 1, "batch": 2}
_OVER_QUOTA = 3
_SHARE = 8
_QUANTUM = 1.0  # seconds
_GUESS = 0.1  # seconds of a turn, before the first was seen
_LOOK_AGAIN = 0.2  # seconds between two looks whether a question is still wanted
_MOST_KEPT = 4096  # sessions and panes that are remembered

_numbers = itertools.count()


@dataclass(eq=False)
class Ticket:
    """One question that somebody asks.

    Attributes:
        session: who asks; what is asked in no session shares the empty one.
        pane: where the answer goes. A newer question of the same pane takes an older one's place; empty for none.
        kind: what it is from the start.
        cancel: set where it is not wanted any more.
        used: seconds of the device so far.
        turns: how many it had.
        begun: when it had the first.
        elsewhere: what an engine elsewhere says of its place in the queue there.
    """

    session: str = ""
    pane: str = ""
    kind: Kind = "look"
    cancel: threading.Event | None = None
    used: float = 0.0
    turns: int = 0
    begun: float = 0.0
    elsewhere: str = ""
    number: int = field(default_factory=lambda: next(_numbers))
    replaced: bool = False
    line: Line | None = None  # that it waits in
    asked: float = 0.0  # when it asked for its first turn
    since: float = 0.0  # when it began to wait, or to run
    guess: float = _GUESS
    go: threading.Event = field(default_factory=threading.Event)  # its turn has come

    @property
    def kind_by_now(self) -> Kind:
        """What it is, by the time that it took so far."""
        return "long" if self.kind == "look" and self.used > LONG_AFTER else self.kind

    @property
    def turned_out(self) -> Class:
        """What it was, once it is answered."""
        return self.kind_by_now if self.turns else "touch"

    def describe_wait(self) -> str:
        """Its place in the queue and how long that may take, as a phrase; empty where it does not wait."""
        line = self.line
        found = None if line is None else line.find_place(self)
        if found is None:
            return self.elsewhere
        ahead, seconds = found
        questions = "question" if ahead == 1 else "questions"
        return f"{ahead} {questions} ahead of yours, about {max(1, round(seconds))} s"


ASKING: ContextVar[Ticket | None] = ContextVar("asking", default=None)
"""The question that is being answered here."""


@dataclass(eq=False)
class _Account:
    """What a session had, in seconds; how many turns it asks for or has; how many passes it may run at once."""

    had: float = 0.0
    open: int = 0
    passes: float = 0.0
    at: float = 0.0  # when that was


class Line:
    """Decides who goes next. It knows no threads, and of time what it is told; `clock` only for who asks for a place.

    Args:
        slots: how many have a turn at once.
        quotas: of which `passes_a_minute` matters here.
        clock: seconds.
    """

    def __init__(self, slots: int, quotas: Quotas, clock: Callable[[], float]) -> None:
        self.slots = slots
        self.waiting: list[Ticket] = []
        self.running: list[Ticket] = []
        self._quotas = quotas
        self._clock = clock
        self._lock = threading.Lock()
        self._time = 0.0
        self._pace = _GUESS
        self._given = 0
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self._waits: dict[Kind, Spread] = {kind: Spread() for kind in get_args(Kind)}

    def read_waits(self) -> dict[Kind, Spread]:
        """How long questions waited before they began, by what they said they were."""
        with self._lock:
            return {kind: spread.copy() for kind, spread in self._waits.items()}

    def count_waiting(self) -> dict[Kind, int]:
        """How many questions wait, by their kind."""
        with self._lock:
            kinds = [one.kind for one in self.waiting]
        return {kind: kinds.count(kind) for kind in _RANKS}

    def request(self, ticket: Ticket, now: float) -> bool:
        """Ask for a turn; whether it is given at once."""
        with self._lock:
            account = self._find_account(ticket.session, now)
            ticket.go.clear()
            ticket.since, ticket.line = now, self
            ticket.asked = ticket.asked or now
            ticket.guess = ticket.used / ticket.turns if ticket.turns else self._pace
            if not account.open:  # who was away has not saved anything up
                account.had = max(account.had, self._time)
            account.open += 1
            if len(self.running) < self.slots:
                self._begin(ticket, now)
                return True
            self.waiting.append(ticket)
            return False

    def give_up(self, ticket: Ticket) -> bool:
        """Wait no more; whether it waited."""
        with self._lock:
            if ticket not in self.waiting:
                return False
            self.waiting.remove(ticket)
            self._find_account(ticket.session, ticket.since).open -= 1
            ticket.line = None
            return True

    def release(self, ticket: Ticket, now: float) -> Ticket | None:
        """End a turn; whose the next one is."""
        with self._lock:
            self.running.remove(ticket)
            taken = now - ticket.since
            ticket.used += taken
            ticket.turns += 1
            self._pace += 0.2 * (taken - self._pace)
            account = self._find_account(ticket.session, now)
            account.had += taken - ticket.guess
            account.open -= 1
            if not self.waiting:
                return None
            self._given += 1
            oldest = self._given % _SHARE == 0
            following = min(self.waiting, key=lambda one: (one.asked,) if oldest else self._order(one, now))
            self.waiting.remove(following)
            self._begin(following, now)
            return following

    def spend(self, session: str, passes: int, now: float) -> None:
        """Count passes against a session's quota."""
        with self._lock:
            self._find_account(session, now).passes -= passes

    def find_place(self, ticket: Ticket) -> tuple[int, float] | None:
        """How many questions go before this one, and about how many seconds they take; None where it does not wait."""
        now = self._clock()
        with self._lock:
            if ticket not in self.waiting:
                return None
            own = self._order(ticket, now)
            ahead = [one for one in self.waiting if self._order(one, now) < own]
            seconds = sum(one.guess for one in ahead)
            seconds += sum(max(one.guess - (now - one.since), 0.0) for one in self.running)
            return len(ahead) + len(self.running), seconds / self.slots

    def has_others(self, session: str) -> bool:
        """Whether another session waits."""
        with self._lock:
            return any(one.session != session for one in self.waiting)

    def _begin(self, ticket: Ticket, now: float) -> None:
        ticket.since, ticket.line = now, None
        if not ticket.turns:
            ticket.begun = now
            self._waits[ticket.kind].add(now - ticket.asked)
        self.running.append(ticket)
        account = self._find_account(ticket.session, now)
        self._time = max(self._time, account.had)
        account.had += ticket.guess
        ticket.go.set()

    def _order(self, ticket: Ticket, now: float) -> tuple[float, ...]:
        kind = ticket.kind_by_now
        account = self._find_account(ticket.session, now)
        # Of long ones each goes on for a while: if all went on by turns, all would be ready last.
        had = account.had if kind == "look" else account.had // _QUANTUM
        return _OVER_QUOTA if account.passes < 0 else _RANKS[kind], had, not ticket.turns, ticket.asked, ticket.number

    def _find_account(self, session: str, now: float) -> _Account:
        """A session's account, with the passes that it has been allowed since it was looked at last."""
        most = self._quotas.passes_a_minute
        account = self._accounts.get(session)
        if account is None:
            account = self._accounts[session] = _Account(passes=most, at=now)
            if len(self._accounts) > _MOST_KEPT:  # whoever waits or runs keeps theirs: it would begin again at nothing
                idle = next((name for name, one in self._accounts.items() if not one.open and name != session), None)
                if idle is not None:
                    del self._accounts[idle]
        self._accounts.move_to_end(session)
        account.passes = min(most, account.passes + (now - account.at) * most / 60)
        account.at = now
        return account


class Admission:
    """Lets threads have turns in the order of a `Line`. Safe to share.

    Args:
        quotas: how many may wait, and how long.
        count_slots: how many turns there are at once; asked before the first.
        clock: seconds.

    Attributes:
        refused: how often a question was refused or given up because of others.
    """

    def __init__(
        self, quotas: Quotas, count_slots: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.quotas = quotas
        self.refused = 0
        self._count_slots = count_slots
        self._clock = clock
        self._lock = threading.Lock()
        self._here = threading.local()
        self._panes: OrderedDict[tuple[str, str], Ticket] = OrderedDict()
        self._line: Line | None = None
        self._making_line = threading.Lock()

    @property
    def line(self) -> Line:
        """Who waits and who has a turn."""
        with self._making_line:  # two who come first would each have one, and end their turns in the other's
            if self._line is None:
                self._line = Line(self.quotas.slots or self._count_slots(), self.quotas, self._clock)
            return self._line

    def count_waiting(self) -> dict[Kind, int]:
        """How many questions wait, by their kind."""
        return self.line.count_waiting()

    @contextmanager
    def turn(self, kept: bool = False) -> Iterator[None]:
        """While entered, this thread may run a network. It waits for that, unless it has a turn already.

        Args:
            kept: no network is run, all is remembered: nothing is waited for.

        Raises:
            Busy: too many wait, it waited too long, or ran too long while others wait.
            Cancelled: the question is not wanted any more.
        """
        if getattr(self._here, "inside", False):
            yield
            return
        ticket = None if kept else ASKING.get() or Ticket()
        if ticket is not None:
            self._await(ticket)
        self._here.inside = True
        try:
            yield
        finally:
            self._here.inside = False
            if ticket is not None:
                self.line.release(ticket, self._clock())

    def spend(self, passes: Passes) -> None:
        """Count passes that were run here."""
        ticket = ASKING.get()
        session = "" if ticket is None else ticket.session
        self.line.spend(session, passes.forward + passes.backward, self._clock())

    def _await(self, ticket: Ticket) -> None:
        self._refuse_unwanted(ticket)
        if ticket.pane:
            self._take_pane(ticket)
        if self.line.request(ticket, self._clock()):
            return
        try:
            waiting = self.count_waiting()
            # What nobody sits and waits for is never refused, and nobody is because of it.
            sitting = waiting["look"] + waiting["long"]
            if not ticket.turns and ticket.kind != "batch" and sitting > self.quotas.queue_length:
                raise self._refuse(
                    f"CAMscope is busy: {sitting - 1} others wait already. Nothing you chose is lost. Ask again in a "
                    "minute."
                )
            while not ticket.go.wait(_LOOK_AGAIN):
                self._refuse_unwanted(ticket)
            self._refuse_unwanted(ticket)
        except BaseException:
            if not self.line.give_up(ticket) and ticket in self.line.running:  # its turn came meanwhile
                self.line.release(ticket, self._clock())
            raise

    def _take_pane(self, ticket: Ticket) -> None:
        """The newer question of a pane takes the place of the older."""
        with self._lock:
            key = (ticket.session, ticket.pane)
            older = self._panes.get(key, ticket)
            newer = max(older, ticket, key=lambda one: one.number)
            self._panes[key] = newer
            self._panes.move_to_end(key)
            if len(self._panes) > _MOST_KEPT:
                self._panes.popitem(last=False)
            older = min(older, ticket, key=lambda one: one.number)
            if older is not newer:
                older.replaced = True
                self.line.give_up(older)
        self._refuse_unwanted(ticket)

    def _refuse_unwanted(self, ticket: Ticket) -> None:
        if ticket.replaced or (ticket.cancel is not None and ticket.cancel.is_set()):
            raise Cancelled("Stopped. Nothing was changed.")
        if ticket.kind == "batch":
            return
        now = self._clock()
        if ticket.turns:
            if now - ticket.begun > self.quotas.run_seconds and self.line.has_others(ticket.session):
                raise self._refuse(
                    f"This was stopped after {self.quotas.run_seconds:g} s, because others wait. What was run is "
                    "remembered. Choose fewer pictures or a quicker method, or ask again later."
                )
        elif ticket.line is not None and now - ticket.since > self.quotas.queue_seconds:
            raise self._refuse(
                f"This was given up after {self.quotas.queue_seconds:g} s in the queue, because many ask at once. "
                "Nothing you chose is lost. Ask again in a minute."
            )

    def _refuse(self, sentence: str) -> Busy:
        self.refused += 1
        return Busy(sentence)
