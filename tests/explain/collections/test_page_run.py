"""A run that a page began: stopped, taken up again, found by its token alone, deleted and swept out."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pytest

from explain.collections import page_run, page_worker
from explain.collections.pace import Pace
from explain.collections.page_run import PageRun, Pulse, open_page_runs, sweep_page_runs
from explain.collections.page_worker import work
from explain.collections.question import Order
from explain.collections.run import Outcome
from explain.collections.sending import list_sending
from explain.errors import Cancelled, ExplainError, StorageError
from explain.models.request import ModelRequest
from explain.progress import Watch
from explain.training.detached import DAYS_KEPT
from explain.training.process_lock import take_lock
from tests.support.collection_runs import make_png
from tests.support.collection_worker import STUB
from tests.support.people import asking, make_actor

ORDER = Order(
    source=Path(), out=Path(), model=ModelRequest(source="bundled", name="photo-cnn"), methods=("grad-cam",), shard=2
)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))
    monkeypatch.setenv("MARKERS", str(tmp_path))
    monkeypatch.setattr(page_run, "launch", lambda *_: None)  # a test does the work itself, or none


def start(*names: str, **told: Any) -> PageRun:
    sending = list_sending([(name, make_png(number)) for number, name in enumerate(names)])
    return PageRun.start(sending, ORDER, "auto", Watch(), **told)


def test_a_run_is_done_and_opened_by_whoever_has_its_token() -> None:
    run = start("plain-1.png", "plain-2.png", "plain-3.png", weights=b"model")
    assert (run.folder / "model").read_bytes() == b"model" and run.read_errand().order.model_file is not None
    assert run.open() is None and not open_page_runs([run.token])
    work(run, STUB)
    state = run.state()
    assert (state.phase, state.pace.done, state.pace.total, state.message) == ("done", 3, 3, "")
    assert state.has_pictures and state.has_results and not state.is_running
    (opened,) = open_page_runs(["no token", run.token, run.token[:-1] + "/"])
    assert opened.key == run.token and opened.title.startswith("Yours, ")
    for text in ("", "..", "a" * 43, run.token + "\n", "../" + run.token):
        assert PageRun.find(text) is None
    run.delete()
    assert PageRun.find(run.token) is None and not run.folder.exists()


def make_collect(*raised: Exception, failed: int = 0) -> Any:
    """In place of the collection itself: raises, or is done with two pictures."""

    def collect(order: Order, tell: Any, cancel: threading.Event, *_: object, nice: bool) -> Outcome:
        assert nice, "other people's work comes first"
        tell(Pace(2, 1, failed))
        if raised:
            assert not isinstance(raised[0], Cancelled) or cancel.wait(10)
            raise raised[0]
        return Outcome(order.out, 2, 2, Counter({"It is broken.": failed}), ("CAM is left out.",))

    return collect


def work_with(monkeypatch: pytest.MonkeyPatch, run: PageRun, *raised: Exception, failed: int = 0) -> tuple[str, str]:
    monkeypatch.setattr(page_worker, "collect", make_collect(*raised, failed=failed))
    work(run)
    return run.state().phase, run.state().message


def test_pictures_that_are_not_to_be_kept_go_with_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    run = start("plain-1.png", "plain-2.png", weights=b"model", keep=False)
    assert work_with(monkeypatch, run) == ("done", "CAM is left out.")
    assert not run.state().has_pictures and not run.read_errand().keep and not (run.folder / "model").exists()
    with pytest.raises(ExplainError, match="pictures were not kept, so it cannot go on"):
        run.resume()


def test_a_run_is_stopped_and_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    run = start("plain-1.png", "plain-2.png")
    run.cancel()
    assert run.state().phase == "interrupted"  # nobody works on it, so that there is nothing to stop
    lock = take_lock(run.lock)
    assert lock is not None and run.state().phase == "explaining" and run.state().is_running
    run.cancel()
    assert run.state().phase == "stopping"
    with pytest.raises(ExplainError, match="This collection is at work"):
        run.delete()
    run.resume()
    assert run.state().phase == "stopping"  # it is there still
    lock.close()
    assert work_with(monkeypatch, run, Cancelled("Stopped.")) == ("cancelled", "")
    assert run.state().has_pictures and run.state().pace.done == 1
    run.resume()
    assert run.state().phase == "interrupted" and not run.cancelling.exists()
    assert work_with(monkeypatch, run)[0] == "done"


def test_why_a_run_failed_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    run = start("plain-1.png", "plain-2.png")
    assert work_with(monkeypatch, run, ExplainError("The disk is full.")) == ("failed", "The disk is full.")
    phase, message = work_with(monkeypatch, run, ValueError("unforeseen"))
    assert phase == "failed" and message.startswith("The run ended by a fault of CAMscope (ValueError)")
    phase, message = work_with(monkeypatch, run, failed=2)
    assert (phase, message) == ("failed", "None of the pictures could be explained. It is broken.")
    assert work_with(monkeypatch, run, failed=1)[0] == "done"


def test_a_start_that_is_refused_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StorageError("The disk is full, so nothing was saved. Make room and try again.")

    with monkeypatch.context() as patch:
        patch.setattr(page_run, "pack", fail)
        with pytest.raises(StorageError):
            start("a.png", "b.png")
    assert not list((tmp_path / page_run.FOLDER).iterdir())
    locks = [take_lock(start("a.png", "b.png").lock) for _ in range(page_run.MOST_AT_ONCE)]
    with pytest.raises(ExplainError, match="2 collections are being explained on this machine already"):
        start("a.png", "b.png")
    for lock in locks:
        assert lock is not None
        lock.close()
    start("a.png", "b.png")


def test_of_those_who_begin_at_once_no_more_get_in_than_there_are_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is still copying pictures has a place already."""
    others_are_refused, pack, most = threading.Event(), page_run.pack, page_run.MOST_AT_ONCE

    def pack_slowly(*given: Any) -> None:
        pack(*given)
        assert others_are_refused.wait(20)

    monkeypatch.setattr(page_run, "pack", pack_slowly)
    with ThreadPoolExecutor(6) as pool:
        begun = [pool.submit(start, "a.png", "b.png") for _ in range(6)]
        for _ in zip(range(6 - most), as_completed(begun, 20), strict=False):
            pass
        others_are_refused.set()
        found = [str(one.exception() or "")[:13] for one in begun]
    assert sorted(found) == [""] * most + ["2 collections"] * (6 - most)


def test_a_run_that_is_taken_up_again_needs_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    run = start("a.png", "b.png")
    locks = [take_lock(start("a.png", "b.png").lock) for _ in range(page_run.MOST_AT_ONCE)]
    with pytest.raises(ExplainError, match="2 collections are being explained"):
        run.resume()
    for lock in locks:
        assert lock is not None
        lock.close()
    run.resume()


def test_a_run_is_its_owners_whoever_else_has_its_token(tmp_path: Path) -> None:
    """As for a token that nobody knows: a page says the same of both."""
    ann, bob = (make_actor("collections", key=key * 64) for key in "ab")
    with asking(ann):
        run = start("a.png", "b.png")
        assert PageRun.find(run.token) is not None
    with asking(bob):
        assert PageRun.find(run.token) is None
        assert not PageRun(run.token).folder.exists()
    with asking(None), pytest.raises(StorageError, match="not logged in"):
        PageRun.find(run.token)


def test_a_pulse_has_one_length_so_that_a_full_disk_has_room_for_the_last_word(tmp_path: Path) -> None:
    path = tmp_path / "pulse"
    assert Pulse.read(path) is None
    for pulse in (
        Pulse(),
        Pulse("explaining", Pace(10, 2, 1, 3.5, 2.0, "Explaining")),
        Pulse("failed", message="…" * 999),
    ):
        pulse.write(path)
        assert path.stat().st_size == 4096
        told = Pulse.read(path)
        assert told is not None and (told.phase, told.pace) == (pulse.phase, pulse.pace)
        assert pulse.message.startswith(told.message)
    path.write_bytes(b'{"phase": "do')
    assert Pulse.read(path) is None


def test_old_runs_are_swept_out() -> None:
    old, new, working = (start("a.png", "b.png") for _ in range(3))
    lock = take_lock(working.lock)
    long_ago = time.time() - (DAYS_KEPT + 1) * 86_400
    for run in (old, working):
        for path in (*run.folder.iterdir(), run.folder):
            os.utime(path, (long_ago, long_ago))
    sweep_page_runs()
    assert lock is not None
    lock.close()
    assert [run.folder.exists() for run in (old, new, working)] == [False, True, True]
