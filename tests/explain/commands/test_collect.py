"""`collect` on the command line: a run from its order to its files, stopped, and gone on with."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from explain.bundled.pictures import bundled_pictures
from explain.collections import worker
from explain.collections.pace import Pace
from explain.collections.question import Order
from explain.collections.run import Outcome, _Run
from explain.collections.run_folder import MAPS, RESULTS, RunFolder
from explain.commands.collect import CANCELLED, SOME_FAILED
from tests.support.collection_runs import list_digests

Run = Callable[[str], tuple[int, str, str]]


def collect_here(order: Order, tell: Callable[[Pace], None], stop_after: int | None = None) -> Outcome:
    """What the worker does, in this process: it has torch loaded already."""
    cancel = threading.Event()
    run = _Run(order, tell, cancel)

    def say(event: str, **told: Any) -> None:
        getattr(run, f"_hear_{event}")(**told)
        if stop_after is not None and run.fresh >= stop_after:
            cancel.set()

    worker.work_on(order, say, cancel)
    return Outcome(order.out, run.pace.total, run.fresh, run.failed, run.notes)


@pytest.fixture
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.commands.collect.run_collection", collect_here)


@pytest.mark.usefixtures("_here")
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "pictures"
    for number, picture in enumerate(bundled_pictures()[:4]):
        (source / "cat").mkdir(parents=True, exist_ok=True)
        (source / "cat" / f"{number}.jpg").write_bytes(picture.path.read_bytes())
    (source / "cat" / "x.jpg").write_bytes(b"no picture")
    asked = f"collect {source} --model photo-cnn --methods grad-cam,eigen-cam,prompt-cam --shard 2"
    status, printed, told = run(f"{asked} --out {tmp_path / 'calm'}")
    assert status == SOME_FAILED
    assert "5 of 5 pictures are written: photo-cnn, grad-cam, eigen-cam." in printed
    assert "failed, 1: " in printed and "[100 %] Explaining: 5 of 5 pictures, 1 failed" in told
    assert "left out: Prompt-CAM needs a ViT" in told

    def stop(order: Order, tell: Callable[[Pace], None]) -> Outcome:
        return collect_here(order, tell, stop_after=2)

    with monkeypatch.context() as patch:
        patch.setattr("explain.commands.collect.run_collection", stop)
        status, _, told = run(f"{asked} --out {tmp_path / 'run'}")
    assert status == CANCELLED and "the same command goes on" in told
    folder, calm = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "calm")
    assert len(folder.list_files(RESULTS)) == 1
    status, printed, _ = run(f"collect status {tmp_path / 'run'}")
    assert status == 0 and "2 of 5 pictures are written" in printed and "No process works on it" in printed
    threads: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr("torch.set_num_threads", threads.append)
        assert run(f"{asked} --out {tmp_path / 'run'}")[0] == SOME_FAILED
    assert threads == [int(folder.read_manifest().versions["torch threads"])]  # another number changes the last digits
    assert list_digests(folder.path) == list_digests(calm.path) and len(list_digests(calm.path)) == 7
    maps = [pq.read_table(path) for path in calm.list_files(MAPS)]
    assert sum(table.num_rows for table in maps) == 4
    held = calm.read_manifest()
    assert (held.source, held.path, held.question.methods) == ("folder", str(source), ("grad-cam", "eigen-cam"))

    status, _, told = run(f"{asked.replace('grad-cam,', '')} --out {tmp_path / 'run'}")
    assert status == 2 and "run of another question: they differ in methods, settings" in told
    status, _, told = run(f"collect {source} --model photo-cnn --methods prompt-cam --out {tmp_path / 'new'}")
    assert status == 2 and "needs a ViT" in told and not (tmp_path / "new").exists()


def test_what_is_not_named_is_asked_for(run: Run, tmp_path: Path) -> None:
    assert "Name one source and --out DIR" in run("collect pictures")[2]
    assert "--devices takes a number from 1, or all, not “some”" in run("collect pictures --out run --devices some")[2]
    assert "There is no run in" in run(f"collect status {tmp_path}")[2]


def test_ctrl_c_is_a_stop(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("explain.commands.collect.run_collection", interrupt)
    status, _, told = run(f"collect {tmp_path} --out {tmp_path / 'run'}")
    assert status == CANCELLED and "What is written stays" in told
