"""Who goes next where several ask at once. Time is told, and work is made up, but for the last tests."""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from explain.engine import admission
from explain.engine.admission import ASKING, Admission, Line, Ticket
from explain.engine.engine import Engine
from explain.engine.quotas import Quotas
from explain.errors import Busy, Cancelled
from explain.methods import Method, MethodResult, Settings
from explain.models.loaded import LoadedModel
from explain.passes.capture import LayerCapture
from explain.passes.count import Passes
from tests.support.clock import Clock
from tests.support.engine import encode, make_method, make_picture, values_of


@dataclass(order=True)
class Event:
    """Something that happens in a simulation: a question is asked, or a turn ends."""

    at: float
    number: int
    do: Callable[[], None] = field(compare=False)


class Simulation:
    """Questions of several turns each, asked at given times, and when each was answered.

    Args:
        slots: how many have a turn at once.
        quotas: left out, so that none is felt.
    """

    def __init__(self, slots: int = 1, quotas: Quotas | None = None) -> None:
        self.clock = Clock(100.0)
        self.line = Line(slots, quotas or Quotas(passes_a_minute=1_000_000), self.clock)
        self.answered: dict[str, list[float]] = {}
        self.begun: list[str] = []
        self._events: list[Event] = []
        self._durations: dict[Ticket, list[float]] = {}
        self._asked: dict[Ticket, float] = {}
        self._panes: dict[str, Ticket] = {}

    def ask(self, at: float, ticket: Ticket, turns: list[float]) -> None:
        self._durations[ticket] = list(turns)
        self._asked[ticket] = self.clock.now + at
        self._plan(self.clock.now + at, lambda: self._request(ticket))

    def run(self) -> None:
        while self._events:
            event = heapq.heappop(self._events)
            self.clock.now = event.at
            event.do()

    def _plan(self, at: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._events, Event(at, len(self._events) + id(do), do))

    def _request(self, ticket: Ticket) -> None:
        if ticket.pane:  # a newer question of a pane takes an older one's place, as `Admission` sees to
            self.line.give_up(self._panes.get(ticket.session, ticket))
            self._panes[ticket.session] = ticket
        if self.line.request(ticket, self.clock.now):
            self._begin(ticket)

    def _begin(self, ticket: Ticket) -> None:
        self.begun.append(ticket.session)
        self._plan(self.clock.now + self._durations[ticket].pop(0), lambda: self._end(ticket))

    def _end(self, ticket: Ticket) -> None:
        following = self.line.release(ticket, self.clock.now)
        if following is not None:
            self._begin(following)
        if self._durations[ticket]:
            self._request(ticket)
        else:
            self.answered.setdefault(ticket.session, []).append(self.clock.now - self._asked[ticket])


def find_p95(seconds: list[float]) -> float:
    return float(np.percentile(seconds, 95))


def simulate_department(dice: random.Random, heavy: bool, minutes: float = 5.0) -> Simulation:
    """25 people who look at one new picture every 3 to 7 seconds, whether answered or not, and have its maps judged:
    more than can be done, but the looks alone.
    """
    simulation = Simulation()
    for person in range(25):
        at = dice.uniform(0, 7)
        while at < 60 * minutes:
            simulation.ask(at, Ticket(f"{person}"), [dice.uniform(0.05, 0.15)])
            simulation.ask(at + 0.6, Ticket(f"{person} verdicts", "verdicts", "batch"), [0.06] * 6)
            at += dice.uniform(3, 7)
    if heavy:
        for at in range(0, int(60 * minutes), 8):
            simulation.ask(at, Ticket("heavy"), [0.1] * 24)
    simulation.run()
    return simulation


@pytest.mark.parametrize("heavy", [False, True])
def test_of_25_people_nobody_waits_thrice_as_long_as_the_others(heavy: bool) -> None:
    found = simulate_department(random.Random(1), heavy)
    slowest = sorted(find_p95(found.answered[f"{person}"]) for person in range(25))
    assert slowest[-1] / float(np.median(slowest)) <= 3
    assert slowest[-1] < 2  # seconds
    assert all(found.answered[f"{person} verdicts"] for person in range(25))


def test_in_the_order_of_asking_one_person_would_hold_up_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the rules are for: without them, the same load is not borne."""
    monkeypatch.setattr(Line, "_order", lambda _line, ticket, _now: ticket.number)
    found = simulate_department(random.Random(1), heavy=True)
    assert max(find_p95(found.answered[f"{person}"]) for person in range(25)) > 2


def test_24_pictures_hold_up_one_by_a_turn() -> None:
    simulation = Simulation()
    simulation.ask(0.0, Ticket("many"), [0.1] * 24)
    simulation.ask(0.05, Ticket("one"), [0.1])
    simulation.run()
    assert simulation.answered["one"] == [pytest.approx(0.15)]
    assert simulation.answered["many"] == [pytest.approx(2.5)]


def test_24_questions_at_once_hold_up_one_by_a_turn_or_two() -> None:
    simulation = Simulation()
    for _ in range(24):
        simulation.ask(0.0, Ticket("many"), [0.1])
    simulation.ask(0.05, Ticket("one"), [0.1])
    simulation.run()
    assert simulation.answered["one"] == [pytest.approx(0.15)]


def test_who_has_had_less_goes_first() -> None:
    simulation = Simulation()
    for session, turn in (("slow", 0.4), ("quick", 0.1)):
        for _ in range(4):
            simulation.ask(0.0, Ticket(session), [turn])
    simulation.run()
    # After each knows what the other takes, four quick turns weigh as much as one slow one.
    assert simulation.begun.index("quick") <= 1
    assert simulation.begun[-2:] == ["slow", "slow"]


def test_a_look_goes_before_what_is_long_and_that_before_a_batch() -> None:
    simulation = Simulation()
    simulation.ask(0.0, Ticket("first"), [0.5])
    for session, kind in (("batch", "batch"), ("long", "long"), ("look", "look")):
        simulation.ask(0.1, Ticket(session, kind=kind), [0.5])
    simulation.run()
    assert simulation.begun == ["first", "look", "long", "batch"]


def test_what_takes_more_than_a_second_is_long_from_then_on() -> None:
    simulation = Simulation()
    simulation.ask(0.0, Ticket("scores"), [0.4] * 6)
    for at in (0.3, 1.3, 1.4, 1.5, 1.6):
        simulation.ask(at, Ticket(f"look at {at}"), [0.2])
    simulation.run()
    # Its third chunk begins at 1.0 as it had less than a second; then all looks go first.
    assert simulation.begun[:4] == ["scores", "look at 0.3", "scores", "scores"]
    assert simulation.begun[4:8] == ["look at 1.3", "look at 1.4", "look at 1.5", "look at 1.6"]


def test_nothing_waits_for_ever() -> None:
    simulation = Simulation()
    simulation.ask(0.0, Ticket("batch", kind="batch"), [0.1])
    for number in range(400):
        simulation.ask(0.0999 * number, Ticket(f"{number % 20}"), [0.1])  # more than can be done
    simulation.ask(0.01, Ticket("series", kind="batch"), [0.1] * 2)
    simulation.run()
    assert simulation.answered["series"][0] < 30


def test_several_slots_are_used_at_once() -> None:
    simulation = Simulation(slots=3)
    for number in range(6):
        simulation.ask(0.0, Ticket(f"{number}"), [1.0])
    simulation.run()
    assert sorted(found for (found,) in simulation.answered.values()) == pytest.approx([1, 1, 1, 2, 2, 2])


def test_who_runs_more_passes_than_the_quota_goes_after_the_others_until_the_minute_is_over() -> None:
    simulation = Simulation(quotas=Quotas(passes_a_minute=60))
    line, clock = simulation.line, simulation.clock
    line.request(Ticket("first"), clock.now)
    greedy, other = Ticket("greedy"), Ticket("other", kind="batch")
    line.spend("greedy", 90, clock.now)
    line.request(other, clock.now)
    line.request(greedy, clock.now)
    assert line.find_place(other) == (1, pytest.approx(0.1))
    clock.now += 31  # by then it has been allowed thirty more
    line.request(Ticket("batch", kind="batch"), clock.now)
    assert line.find_place(greedy)[0] == 1


def test_how_long_questions_waited_is_counted_once_for_each_by_what_they_are() -> None:
    clock = Clock(10.0)
    line = Line(1, Quotas(), clock)
    first, second, batch, gone = Ticket("1"), Ticket("2"), Ticket("3", kind="batch"), Ticket("4")
    assert line.request(first, 10.0)
    for waiting in (second, batch, gone):
        assert not line.request(waiting, 10.0)
    assert line.give_up(gone)
    assert line.release(first, 12.0) is second
    assert not line.request(first, 12.0), "it waits for a second turn, which is counted no more"
    assert line.release(second, 15.0) is first and line.release(first, 50.0) is batch
    waits = line.read_waits()
    assert {kind: (sum(spread.counts), spread.total) for kind, spread in waits.items()} == {
        "look": (2, 2.0),
        "long": (0, 0.0),
        "batch": (1, 40.0),
    }


def test_whoever_waits_keeps_their_account_however_many_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that has had much is not taken for one that has had nothing, because others came while it waited."""
    monkeypatch.setattr(admission, "_MOST_KEPT", 3)
    line = Line(1, Quotas(), Clock(100.0))
    first, running, again, fresh = Ticket("old"), Ticket("running"), Ticket("old"), Ticket("fresh")
    assert line.request(first, 100.0)
    line.release(first, 150.0)
    assert line.request(running, 150.0) and not line.request(again, 150.0)
    for number in range(10):
        passing = Ticket(f"passing {number}")
        assert not line.request(passing, 150.0) and line.give_up(passing)
    assert not line.request(fresh, 150.0)
    assert line.release(running, 150.1) is fresh


def test_two_who_come_first_stand_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newer Pythons do not lock a `cached_property`, so that none is asked for here."""
    both = threading.Barrier(2, timeout=0.2)

    def count() -> int:
        with suppress(threading.BrokenBarrierError):  # nobody else makes one
            both.wait()
        return 1

    shared = Admission(Quotas(), count)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: shared.line, range(2))
    assert first is second is shared.line


def test_the_place_and_the_time_are_told() -> None:
    simulation = Simulation()
    line, clock = simulation.line, simulation.clock
    tickets = [Ticket(f"{number}") for number in range(4)]
    for ticket in tickets:
        ticket.turns, ticket.used = 1, 1.5
        ticket.kind = "long"
        line.request(ticket, clock.now)
    assert [ticket.describe_wait() for ticket in tickets] == [
        "",
        "1 question ahead of yours, about 2 s",
        "2 questions ahead of yours, about 3 s",
        "3 questions ahead of yours, about 4 s",
    ]
    clock.now += 1.0
    assert tickets[1].describe_wait() == "1 question ahead of yours, about 1 s"
    assert line.release(tickets[0], clock.now) is tickets[1]
    assert tickets[1].describe_wait() == ""


# With threads, that wait for events and never for time.


@contextmanager
def asking(ticket: Ticket) -> Iterator[None]:
    token = ASKING.set(ticket)
    try:
        yield
    finally:
        ASKING.reset(token)


class Room:
    """An admission with one slot, which is taken until `leave`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **quotas: float) -> None:
        monkeypatch.setattr(admission, "_LOOK_AGAIN", 0.002)
        self.clock = Clock(100.0)
        self.admission = Admission(Quotas(**quotas), lambda: 1, self.clock)
        self.first = Ticket("first", pane="maps")
        self.admission.line.request(self.first, self.clock.now)
        self.pool = ThreadPoolExecutor(8)

    def enter(self, ticket: Ticket) -> Future[str]:
        """Ask for a turn in a thread of its own, and return once it waits."""

        def work() -> str:
            with asking(ticket), self.admission.turn():
                return ticket.session

        future = self.pool.submit(work)
        while ticket not in self.admission.line.waiting and not future.done():
            time.sleep(0.001)
        return future

    def leave(self) -> None:
        self.admission.line.release(self.first, self.clock.now)


@pytest.fixture
def make_room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Room]]:
    made: list[Room] = []

    def make(**quotas: float) -> Room:
        made.append(Room(monkeypatch, **quotas))
        return made[-1]

    yield make
    for room in made:
        left = [*room.admission.line.waiting, *room.admission.line.running]
        for ticket in left:  # a failure must not hang
            ticket.replaced = True
            ticket.go.set()
        room.pool.shutdown(wait=not left)
        assert not left


def test_who_waits_goes_on_when_a_turn_ends(make_room: Callable[..., Room]) -> None:
    room = make_room()
    waiting = [room.enter(Ticket(f"{number}")) for number in range(3)]
    assert not any(future.done() for future in waiting)
    room.leave()
    assert [future.result(10) for future in waiting] == ["0", "1", "2"]


def test_what_is_cancelled_in_the_queue_waits_no_more(make_room: Callable[..., Room]) -> None:
    room = make_room()
    cancel = threading.Event()
    stopped, other = room.enter(Ticket("stopped", cancel=cancel)), room.enter(Ticket("other"))
    cancel.set()
    with pytest.raises(Cancelled, match="Nothing was changed"):
        stopped.result(10)
    room.leave()
    assert other.result(10) == "other"


def test_a_newer_question_of_a_pane_takes_the_place_of_the_older(make_room: Callable[..., Room]) -> None:
    room = make_room()
    older = room.enter(Ticket("one", pane="maps"))
    beside = room.enter(Ticket("one", pane="verdicts"))
    someone = room.enter(Ticket("two", pane="maps"))
    newer = room.enter(Ticket("one", pane="maps"))
    with pytest.raises(Cancelled):
        older.result(10)
    room.leave()
    assert [future.result(10) for future in (beside, someone, newer)] == ["one", "two", "one"]


def test_an_older_question_that_comes_late_does_not_take_the_place_of_the_newer(
    make_room: Callable[..., Room],
) -> None:
    room = make_room()
    older, newer = (Ticket("one", pane="maps") for _ in range(2))
    first = room.enter(newer)
    with pytest.raises(Cancelled):
        room.enter(older).result(10)
    room.leave()
    assert first.result(10) == "one"


def test_a_running_question_that_is_replaced_stops_at_its_next_turn(make_room: Callable[..., Room]) -> None:
    room = make_room()
    room.leave()
    with asking(old := Ticket("one", pane="maps")):
        with room.admission.turn():
            newer = room.enter(Ticket("one", pane="maps"))
            assert old.replaced
        assert newer.result(10) == "one"
        with pytest.raises(Cancelled), room.admission.turn():
            pass


def test_a_full_queue_is_a_sentence(make_room: Callable[..., Room]) -> None:
    room = make_room(queue_length=2)
    waiting = [room.enter(Ticket(f"{number}")) for number in range(2)]
    batch = room.enter(Ticket("batch", kind="batch"))  # is never refused, and lets nobody else be
    with pytest.raises(Busy, match="CAMscope is busy: 2 others wait already") as refused:
        room.enter(Ticket("too many")).result(10)
    assert "Ask again" in str(refused.value)
    assert room.admission.refused == 1
    with room.admission.turn(kept=True):  # what is remembered is shown all the same
        pass
    room.leave()
    assert [future.result(10) for future in (*waiting, batch)] == ["0", "1", "batch"]


def test_who_waits_too_long_gets_a_sentence_and_a_batch_waits_on(make_room: Callable[..., Room]) -> None:
    room = make_room(queue_seconds=60)
    batch = room.enter(Ticket("batch", kind="batch"))
    patient = room.enter(Ticket("patient"))
    room.clock.now += 61
    with pytest.raises(Busy, match="given up after 60 s in the queue"):
        patient.result(10)
    room.leave()
    assert batch.result(10) == "batch"


def test_who_runs_too_long_is_stopped_only_where_others_wait(make_room: Callable[..., Room]) -> None:
    room = make_room(run_seconds=300)
    line, long = room.admission.line, Ticket("long")
    room.leave()
    with asking(long), room.admission.turn():
        room.clock.now += 400
    with asking(long), room.admission.turn():
        own, other = Ticket("long"), Ticket("other")
        line.request(own, room.clock.now)
        room.admission._refuse_unwanted(long)  # its own session's other questions do not count
        line.request(other, room.clock.now)
        with pytest.raises(Busy, match="stopped after 300 s, because others wait"):
            room.admission._refuse_unwanted(long)
        assert line.give_up(own)
        assert line.give_up(other)


def test_a_turn_within_a_turn_and_one_of_what_is_kept_take_no_slot(make_room: Callable[..., Room]) -> None:
    room = make_room()
    with room.admission.turn(kept=True), room.admission.turn():  # though the one slot is taken
        pass
    room.leave()
    with room.admission.turn(), room.admission.turn():
        assert len(room.admission.line.running) == 1


def test_a_fault_gives_the_slot_back(make_room: Callable[..., Room]) -> None:
    room = make_room()
    room.leave()
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), room.admission.turn():
            raise error
    with room.admission.turn():
        pass


def test_eight_threads_in_a_hurry_leave_nothing_behind(make_room: Callable[..., Room]) -> None:
    room = make_room(queue_length=4)
    room.leave()
    inside, most, ended = [0], [0], {"done": 0, "stopped": 0, "busy": 0}
    lock = threading.Lock()

    def work(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(60):
            cancel = threading.Event()
            ticket = Ticket(f"{seed % 3}", pane=dice.choice(["", "maps"]), cancel=cancel)
            if dice.random() < 0.2:
                cancel.set()
            how = "done"
            try:
                with asking(ticket):
                    for _ in range(dice.randrange(1, 4)):
                        with room.admission.turn(kept=dice.random() < 0.2) as _:
                            pass
                        with room.admission.turn():
                            inside[0] += 1
                            most[0] = max(most[0], inside[0])
                            inside[0] -= 1
            except Busy:
                how = "busy"
            except Cancelled:
                how = "stopped"
            with lock:
                ended[how] += 1

    for future in [room.pool.submit(work, seed) for seed in range(8)]:
        future.result(30)
    assert most == [1]
    assert sum(ended.values()) == 480
    assert ended["done"] > 100
    assert ended["stopped"] > 50


# Through the real engine.


def test_a_slider_waits_for_no_slot(cnn: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_QUEUE_SECONDS", "0.1")  # so that it would be refused
    engine = Engine("cpu")
    methods = ["grad-cam", "cf-cam"]
    picture = make_picture()
    engine.explain(picture, cnn, methods)
    line = engine.admission.line
    held = [Ticket("others") for _ in range(line.slots)]
    for ticket in held:
        assert line.request(ticket, 0.0)
    with pytest.raises(Busy):
        engine.explain(make_picture(7), cnn, methods)
    moved = engine.explain(picture, cnn, methods, settings={"cf-cam": {"eps": 0.2}})
    assert len(moved.pictures[0].maps) == 2
    assert line._accounts.keys() == {"", "others"}
    for ticket in held:
        line.release(ticket, 0.0)


def test_long_work_makes_way_at_the_end_of_a_chunk(
    cnn: LoadedModel, register: Callable[[Method], Method], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMSCOPE_SLOTS", "1")
    engine, line = Engine("cpu"), None
    engine.predict(make_picture(), cnn)
    line = engine.admission.line
    seen: list[str] = []
    others: list[threading.Thread] = []

    def look() -> None:
        engine.predict(make_picture(7), cnn)
        seen.append("look")

    def make(rows: range, capture: LayerCapture) -> torch.Tensor:
        seen.append("chunk")
        if len(seen) == 1:
            others.append(threading.Thread(target=look))
            line.request(blocker := Ticket("blocker"), 0.0)  # so that it has to wait
            others[0].start()
            while not line.waiting:
                time.sleep(0.001)
            line.release(blocker, 0.0)
            others[0].join(30)
        return capture.runner.picture.repeat(len(rows), 1, 1, 1)

    def run(capture: LayerCapture, _settings: Settings) -> MethodResult:
        scores = capture.runner.scores(lambda rows: make(rows, capture), 48)
        return MethodResult(scores.reshape(6, 8))

    register(make_method("slow", run, "activations", "runner"))
    engine.explain(make_picture(), cnn, ["slow"])
    assert seen == ["chunk", "look", "chunk", "chunk"]


def test_a_refusal_in_the_middle_is_no_methods_own(
    engine: Engine, cnn: LoadedModel, register: Callable[[Method], Method]
) -> None:
    def refuse(_capture: LayerCapture, _settings: Settings) -> MethodResult:
        raise Busy("CAMscope is busy.")

    register(make_method("slow", refuse, "activations", "runner"))
    with pytest.raises(Busy):
        engine.explain(make_picture(), cnn, ["slow"])


def test_passes_are_counted_for_who_asked(engine: Engine, cnn: LoadedModel) -> None:
    with asking(Ticket("one")):
        engine.explain(make_picture(), cnn, ["grad-cam"])
    accounts = engine.admission.line._accounts
    most = engine.admission.quotas.passes_a_minute
    assert most - accounts["one"].passes == pytest.approx(2, abs=0.1)
    engine.admission.spend(Passes(3, 4))
    assert most - accounts[""].passes == pytest.approx(7, abs=0.1)


def test_near_duplicates_at_once_get_their_own_maps(cnn: LoadedModel) -> None:
    """Pictures that differ in one pixel, asked for by eight threads, in an engine that forgets all the time."""
    pixels = np.random.default_rng(5).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    pictures = []
    for number in range(12):
        changed = pixels.copy()
        changed[10, 10] = number * 20
        pictures.append(encode(changed, f"{number}.png"))
    expected = [values_of(Engine("cpu").explain(picture, cnn, ["grad-cam"])) for picture in pictures]
    assert len({tuple(one.values()) for one in expected}) == len(pictures)
    engine = Engine("cpu", capture_bytes=200_000)

    def ask(seed: int) -> int:
        dice = random.Random(seed)
        wrong = 0
        for _ in range(25):
            at = dice.randrange(len(pictures))
            with asking(Ticket(f"{seed}")):
                wrong += values_of(engine.explain(pictures[at], cnn, ["grad-cam"])) != expected[at]
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 0
