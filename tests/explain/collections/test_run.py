"""A run through the deaths of its workers: nothing is lost or there twice, and its files are those of a calm run."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from explain.collections.pace import Pace
from explain.collections.question import Order
from explain.collections.run import collect
from explain.collections.run_folder import RESULTS, RunFolder
from explain.collections.shard import DIED
from explain.collections.status import read_status
from explain.errors import Cancelled, ExplainError
from explain.models.request import ModelRequest
from explain.training.process_lock import is_locked
from tests.support.collection_runs import list_digests
from tests.support.collection_worker import STUB

PLAIN = [f"plain-{number:02}.png" for number in range(8)]


def make_order(tmp_path: Path, names: list[str], out: str = "run") -> Order:
    source = tmp_path / "pictures"
    source.mkdir(exist_ok=True)
    for name in names:
        (source / name).touch()
    model = ModelRequest(source="bundled", name="photo-cnn")
    return Order(source=source, out=tmp_path / out, model=model, methods=("grad-cam",))


@pytest.fixture(autouse=True)
def _markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "markers").mkdir()
    monkeypatch.setenv("MARKERS", str(tmp_path / "markers"))
    monkeypatch.setenv("RUN", str(tmp_path / "run"))


def read_rows(folder: Path) -> dict[str, str | None]:
    """By picture, why it failed; fails where one is there twice."""
    rows: list[dict[str, str | None]] = []
    for path in RunFolder(folder).list_files(RESULTS):
        rows += pq.read_table(path, columns=["uri", "error"]).to_pylist()
    found = {str(row["uri"]): row["error"] for row in rows}
    assert len(found) == len(rows), "a picture is there twice"
    return found


def test_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    # Shards of four: the worker dies in the first, and between the files of the last.
    names = [*PLAIN[:3], "once-1.png", *PLAIN[3:], "torn-1.png", "zz-last.png"]
    order = make_order(tmp_path, names)
    outcome = collect(order, command=STUB)
    assert len(list((tmp_path / "markers").iterdir())) == 2
    assert (outcome.total, outcome.fresh, outcome.failed) == (len(names), len(names), {})
    assert outcome.begun == 3 + 2  # of three shards two were begun again
    assert read_rows(order.out) == dict.fromkeys(names)
    assert not list(order.out.glob(".*.part"))
    calm = collect(make_order(tmp_path, names, "calm"), command=STUB)
    assert list_digests(order.out) == list_digests(calm.folder)
    again = collect(order, command=STUB)
    assert (again.total, again.fresh) == (len(names), 0)


def test_a_picture_that_workers_die_on_is_found_and_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.collections.run.DEATHS", 1)  # each start of a process takes a second
    names = ["deadly-1.png", PLAIN[0]]
    order = make_order(tmp_path, names)
    outcome = collect(order, command=STUB)
    assert read_rows(order.out) == {**dict.fromkeys(names), "deadly-1.png": DIED}
    assert outcome.failed == {DIED: 1}
    status = read_status(order.out)
    assert (status.total, status.written, status.failed, status.is_at_work) == (2, 2, 1, False)


def test_a_run_is_stopped_and_goes_on(tmp_path: Path) -> None:
    order = make_order(tmp_path, [*PLAIN[:4], "wait-1.png"])
    cancel = threading.Event()
    heard: list[Pace] = []

    def tell(pace: Pace) -> None:
        heard.append(pace)
        if pace.done >= 4:
            cancel.set()

    with pytest.raises(Cancelled, match="What is written stays"):
        collect(order, tell, cancel, STUB)
    assert read_rows(order.out) == dict.fromkeys(PLAIN[:4])
    assert (heard[-1].total, heard[-1].done, heard[-1].share) == (5, 4, 0.8)
    assert heard[-1].per_second and heard[-1].seconds_left
    assert (read_status(order.out).total, read_status(order.out).written) == (5, 4)


def test_a_worker_ends_with_whoever_started_it(tmp_path: Path) -> None:
    order = make_order(tmp_path, ["wait-1.png"])
    program = (
        "from explain.collections.question import Order\nfrom explain.collections.run import collect\n"
        f"collect(Order.model_validate_json({order.model_dump_json()!r}), command={STUB!r})"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    until = time.monotonic() + 300
    while not (tmp_path / "markers" / "wait-1.png").exists():
        assert time.monotonic() < until and parent.poll() is None
        time.sleep(0.02)
    assert is_locked(RunFolder(order.out).lock)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    while is_locked(RunFolder(order.out).lock):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_worker_that_never_gets_to_a_picture_is_a_sentence(tmp_path: Path) -> None:
    order = make_order(tmp_path, PLAIN)
    with pytest.raises(ExplainError, match=r"ended 3 times before the first picture .exit status 7"):
        collect(order, command=(sys.executable, "-c", "import sys; sys.stdin.readline(); sys.exit(7)"))


def test_what_is_refused_is_a_sentence(tmp_path: Path) -> None:
    order = make_order(tmp_path, [])
    with pytest.raises(ExplainError, match="holds no pictures"):
        collect(order, command=STUB)
    with pytest.raises(ExplainError, match="is an address"):
        collect(order.model_copy(update={"out": Path("https://host/run")}), command=STUB)
    with pytest.raises(ExplainError, match="There is no run"):
        read_status(order.out)
