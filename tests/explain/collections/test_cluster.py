"""A run side by side is the run of one process, file by file, whoever dies; with a stand-in for Ray, and with Ray."""

import importlib.util
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from explain.bundled.pictures import bundled_pictures
from explain.collections import cluster, worker
from explain.collections.question import Order
from explain.collections.run import ON_CLUSTER, Pace, _Run, collect
from explain.collections.run_folder import RESULTS, RunFolder
from explain.collections.shard import DIED
from explain.collections.status import read_status
from explain.errors import Cancelled, DeviceError, ExplainError, ModelError
from explain.models.request import ModelRequest
from explain.ray_cluster import connecting, count_gpus, hand_on
from tests.support import collection_worker
from tests.support.collection_runs import list_digests
from tests.support.ray import Died, Ray

PLAIN = [f"plain-{number:02}.png" for number in range(8)]
MODEL = ModelRequest(source="bundled", name="photo-cnn")


def make_order(tmp_path: Path, names: list[str], out: str = "run", **told: Any) -> Order:
    source = tmp_path / "pictures"
    source.mkdir(exist_ok=True)
    for name in names:
        (source / name).touch()
    return Order(source=source, out=tmp_path / out, model=MODEL, methods=("grad-cam",), **told)


@pytest.fixture
def ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ray:
    """In place of Ray; the network is that of `tests.support.collection_worker`, which dies where a name says so."""
    stand_in = Ray()
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    monkeypatch.setattr("explain.ray_cluster.PLACE", str(tmp_path))
    monkeypatch.setattr("explain.ray_cluster.socket.create_connection", lambda *_: SimpleNamespace(close=lambda: None))
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "")
    (tmp_path / "markers").mkdir()
    monkeypatch.setenv("MARKERS", str(tmp_path / "markers"))
    monkeypatch.setenv("RUN", str(tmp_path / "run"))
    monkeypatch.setattr("explain.collections.actor.prepare", collection_worker.prepare)
    monkeypatch.setattr("explain.collections.worker.prepare", collection_worker.prepare)
    monkeypatch.setattr("explain.collections.worker.explain_shard", collection_worker.explain_shard)

    def die(*_: object) -> None:
        raise Died

    # There only: whether a process lives is asked by that too.
    monkeypatch.setattr(collection_worker, "os", SimpleNamespace(environ=os.environ, getpid=os.getpid, kill=die))
    return stand_in


def run_here(
    order: Order, cancel: threading.Event | None = None, tell: Callable[[Pace], None] = lambda _: None
) -> _Run:
    """What the process does that speaks to the cluster, in this one."""
    run = _Run(order, tell, cancel or threading.Event())

    def say(event: str, **told: Any) -> None:
        getattr(run, f"_hear_{event}")(**told)

    cluster.work_on_cluster(order, say, run.cancel)
    return run


def test_files_are_those_of_one_process_whoever_dies(tmp_path: Path, ray: Ray) -> None:
    names = [*PLAIN[:3], "once-1.png", *PLAIN[3:], "torn-1.png", "zz-last.png"]
    order = make_order(tmp_path, names, devices=2)
    run = run_here(order)
    assert run.over and (run.pace.total, run.fresh, run.failed) == (len(names), len(names), {})
    assert run.begun == 3 + 2 and len(ray.made) == 2 + 2 and not ray.open
    alone = make_order(tmp_path, names, "alone")
    worker.work_on(alone, lambda event, **told: None, threading.Event())
    assert list_digests(order.out) == list_digests(alone.out) and len(list_digests(alone.out)) == 7
    assert run_here(order).fresh == 0


def test_a_picture_that_actors_die_on_is_found_and_listed(tmp_path: Path, ray: Ray) -> None:
    order = make_order(tmp_path, ["deadly-1.png", *PLAIN[:4]], devices="all")
    run = run_here(order)
    assert run.failed == {DIED: 1}
    status = read_status(order.out)
    assert (status.total, status.written, status.failures) == (5, 5, {DIED: 1})
    # Four, then two, then one: each three times before it is halved or listed.
    assert len(ray.made) == 2 + 9
    assert len(ray.killed) == 2


def test_it_keeps_to_itself(tmp_path: Path, ray: Ray) -> None:
    # What a process left behind that was killed goes, and nothing else.
    left, others = tmp_path / "camscope-ray-99999999-x", tmp_path / f"camscope-ray-{os.getpid()}-x"
    for folder in (left, others):
        (folder / "logs").mkdir(parents=True)
    run_here(make_order(tmp_path, PLAIN[:1], devices=1))
    assert not left.exists() and others.exists()
    assert ray.told["include_dashboard"] is False and ray.told["_node_ip_address"] == "127.0.0.1"
    assert ray.told["address"] == "local" and not Path(ray.told["_temp_dir"]).exists()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert os.environ["RAY_AUTH_MODE"] == "token" and len(os.environ["RAY_AUTH_TOKEN"]) == 64
    run_here(make_order(tmp_path, PLAIN[:1], "other", address="host:6379"))
    assert ray.told == {"address": "host:6379", "log_to_driver": False, "logging_level": "ERROR"}


def test_an_actor_has_a_gpu_or_a_core(tmp_path: Path, ray: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAMSCOPE_DEVICE", raising=False)
    ray.resources = {"CPU": 16.0, "GPU": 2.0}
    run_here(make_order(tmp_path, PLAIN[:1], address="auto"))
    (one, other) = ray.made
    assert one == other and (one["num_gpus"], one["num_cpus"], one["max_restarts"]) == (1, 4, 0)
    assert one["runtime_env"]["env_vars"]["CAMSCOPE_DEVICE"] == "cuda"
    with pytest.raises(ExplainError, match="There are 2 GPUs, and --devices asks for 3"):
        run_here(make_order(tmp_path, PLAIN[:1], devices=3))
    monkeypatch.setenv("CAMSCOPE_DEVICE", "cpu")
    run_here(make_order(tmp_path, PLAIN[:1], "cores", devices=3))
    assert ray.made[-1]["num_cpus"] == 1 and "num_gpus" not in ray.made[-1]


def test_a_process_on_a_cluster_is_set_up_as_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_DEVICE", " CPU ")  # as `explain.networks.device` reads it
    monkeypatch.setenv("CAMSCOPE_HOME", "/somewhere")
    monkeypatch.delenv("CAMSCOPE_PRECISION", raising=False)
    assert count_gpus({"CPU": 8.0, "GPU": 2.0}) == 0
    (told,) = hand_on(CAMSCOPE_DEVICE="cuda", MORE="x").values()
    assert told.pop("OMP_WAIT_POLICY") == "PASSIVE" and (Path(told.pop("PYTHONPATH")) / "explain").is_dir()
    assert told == {"CAMSCOPE_DEVICE": "cuda", "CAMSCOPE_HOME": "/somewhere", "MORE": "x"}
    monkeypatch.delenv("CAMSCOPE_DEVICE")
    assert count_gpus({"CPU": 8.0, "GPU": 2.0}) == 2 and count_gpus({"CPU": 8.0}) == 0


def test_a_run_is_stopped_and_goes_on(tmp_path: Path, ray: Ray) -> None:
    order = make_order(tmp_path, PLAIN, devices=1)
    cancel = threading.Event()
    with pytest.raises(Cancelled, match="What is written stays"):
        run_here(order, cancel, lambda pace: cancel.set() if pace.done else None)
    assert len(RunFolder(order.out).list_files(RESULTS)) == 1 and not ray.open
    assert run_here(order).fresh == 4


def test_what_goes_wrong_on_a_worker_is_a_sentence(tmp_path: Path, ray: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    order = make_order(tmp_path, PLAIN, devices=2)

    def break_by(error: BaseException) -> None:
        def prepare(*_: object) -> None:
            raise error

        monkeypatch.setattr("explain.collections.actor.prepare", prepare)

    break_by(ModelError("There is no such model."))
    with pytest.raises(ExplainError, match="There is no such model"):
        run_here(order)
    break_by(Died())
    with pytest.raises(ExplainError, match=r"ended 3 times while it loaded the model: Its process was killed\. It may"):
        run_here(order)
    break_by(ZeroDivisionError("by nothing"))
    with pytest.raises(ExplainError, match=r"a fault of CAMscope .ZeroDivisionError: by nothing"):
        run_here(order)
    assert not order.out.exists()
    with pytest.raises(ExplainError, match=r"No Ray cluster could be reached at nowhere:1: Nobody listens"):
        run_here(make_order(tmp_path, PLAIN, address="nowhere:1"))
    monkeypatch.setattr("explain.collections.actor.prepare", collection_worker.prepare)

    def fill(*_: object) -> None:
        raise DeviceError("The device is full.")

    monkeypatch.setattr("explain.collections.worker.explain_shard", fill)
    with pytest.raises(ExplainError, match="The device is full"):
        run_here(order)


def test_an_address_where_nobody_listens_is_a_sentence(tmp_path: Path) -> None:
    for address, sentence in {"127.0.0.1:9": "refused", "somewhere": "HOST:PORT"}.items():
        with pytest.raises(ExplainError, match=f"No Ray cluster could be reached at {address}: .*{sentence}"):
            connecting(Ray(), address).__enter__()


def test_workers_that_are_not_alike_are_refused(tmp_path: Path, ray: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = iter((1, 16))

    def prepare(order: Order, *args: Any) -> Any:
        engine, loaded, manifest, notes = collection_worker.prepare(order, *args)
        question = collection_worker.make_question(batch=next(batches))
        return engine, loaded, manifest.model_copy(update={"question": question, "digest": question.digest}), notes

    monkeypatch.setattr("explain.collections.actor.prepare", prepare)
    with pytest.raises(ExplainError, match="The workers are not alike"):
        run_here(make_order(tmp_path, PLAIN, devices=2))


def test_without_ray_it_is_said_what_to_install(tmp_path: Path, ray: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExplainError, match=r"pip install -r requirements-cluster\.txt"):
        run_here(make_order(tmp_path, PLAIN, devices=2))


def test_devices_and_addresses_go_to_the_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def start(command: tuple[str, ...], *_: object) -> None:
        asked.append(command)
        raise Cancelled("Stopped.")

    monkeypatch.setattr("explain.collections.run._start", start)
    for told in ({"devices": 2}, {"address": "auto"}):
        with pytest.raises(Cancelled):
            collect(make_order(tmp_path, [], **told))
    assert asked == [ON_CLUSTER, ON_CLUSTER]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: requirements-cluster.txt.")
def test_by_ray_itself_files_are_those_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_DEVICE", "cpu")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    source = tmp_path / "pictures"
    source.mkdir()
    for number, picture in enumerate(bundled_pictures()[:6]):
        (source / f"{number}.jpg").write_bytes(picture.path.read_bytes())
    (source / "x.jpg").write_bytes(b"no picture")
    told: dict[str, Any] = {"source": source, "model": MODEL, "methods": ("grad-cam", "eigen-cam"), "shard": 2}
    alone = collect(Order(**told, out=tmp_path / "alone"))
    side = collect(Order(**told, out=tmp_path / "side", devices=2))
    assert (alone.fresh, side.fresh) == (7, 7) and alone.failed == side.failed
    assert list_digests(alone.folder) == list_digests(side.folder) and len(list_digests(alone.folder)) == 9
