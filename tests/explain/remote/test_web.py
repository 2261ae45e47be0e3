"""The same suite over HTTP: by a server of this process, and by Ray Serve where it is installed."""

import http.client
import importlib.util
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from explain.engine.engine import Engine
from explain.errors import ExplainError
from explain.remote.client import EngineClient
from explain.remote.service import Service
from explain.remote.web import WORD, Web, build_app
from tests.support.dashboard import ROOT, find_port
from tests.support.remote import MODEL, check_calls, check_contract, give_models, make_png

SECRET = "known to the two of us"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(device="cpu")


@pytest.fixture(scope="module")
def address(engine: Engine) -> Iterator[str]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        config = uvicorn.Config(build_app(Service(engine), SECRET), log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [held]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{held.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


def test_the_contract_over_http(engine: Engine, address: str) -> None:
    client = EngineClient(Web(address, SECRET))
    check_contract(client, engine, make_png())
    give_models(engine)
    check_calls(
        client, engine, ("explain_stack", "explain_volume", "capture", "draw")
    )  # a stream, a volume, tensors, arrays


def test_a_stream_that_is_closed_stops_the_work(engine: Engine, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = threading.Event()

    def explain(*args: Any, **told: Any) -> Any:
        told["progress"](0.5, "half")
        if told["cancel"].wait(60):
            stopped.set()
        raise ExplainError("Stopped.")

    monkeypatch.setattr(engine, "explain", explain)
    monkeypatch.setattr("explain.remote.service._SECONDS_OF_SILENCE", 0.02)

    def leave(share: float, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        EngineClient(Web(address, SECRET)).explain(make_png(), MODEL, "grad-cam", progress=leave)
    assert stopped.wait(60)


def test_whoever_does_not_know_the_word_gets_nothing(address: str) -> None:
    stranger = Web(address, "something else")
    calls: list[Any] = [lambda: stranger.put(b"x"), lambda: stranger.load(b"{}"), lambda: list(stranger.explain(b"{}"))]
    for call in (*calls, lambda: stranger.have("0" * 64), stranger.describe, lambda: stranger.cancel("0" * 32)):
        with pytest.raises(ExplainError, match=r"does not know you|refused \(401\)"):
            call()


def test_what_is_too_long_is_not_read(address: str) -> None:
    host = address.removeprefix("http://")
    connection = http.client.HTTPConnection(host)
    connection.request("POST", "/explanations", b"x" * (2**20 + 1), {"Authorization": f"Bearer {SECRET}"})
    answer = connection.getresponse()
    assert answer.status == 422 and b"at most 1 MB" in answer.read()
    connection.close()


def test_an_engine_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(ExplainError, match=r"127\.0\.0\.1:9 does not answer .*Is it started"):
        EngineClient(Web("http://127.0.0.1:9", SECRET)).load(MODEL)
    with pytest.raises(ExplainError, match="is no address of an engine"):
        Web("file:///etc/passwd", SECRET)


def test_ray_is_imported_in_one_place_and_late() -> None:
    sources = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in (ROOT / "explain").rglob("*.py")
    }
    assert [name for name, text in sources.items() if re.search(r"^\s*(import|from) ray\b", text, re.MULTILINE)] == []
    named = [name for name, text in sources.items() if re.search(r"import_module\(.ray\b", text)]
    assert sorted(named) == ["explain/ray_cluster.py", "explain/remote/serve.py"]
    assert "ray.serve" in sources["explain/remote/serve.py"]  # within what has imported Ray


def test_without_a_word_nothing_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    from explain.remote.serve import serve

    monkeypatch.delenv(WORD, raising=False)
    with pytest.raises(ExplainError, match="to a word of 16 characters at least"):
        serve("127.0.0.1", 1, None, threading.Event())
    monkeypatch.setenv(WORD, SECRET)
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "")
    with pytest.raises(ExplainError, match="An engine for other processes needs Ray"):
        serve("127.0.0.1", 1, None, threading.Event())


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: requirements-cluster.txt.")
def test_the_contract_by_ray_serve(engine: Engine) -> None:
    port = find_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "explain.remote.serve", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, WORD: SECRET, "CAMSCOPE_DEVICE": "cpu", "PYTHONPATH": str(ROOT)},
    )
    try:
        client = EngineClient(Web(f"http://127.0.0.1:{port}", SECRET))
        until = time.monotonic() + 300
        while True:
            try:
                client.load(MODEL)
                break
            except ExplainError:
                assert time.monotonic() < until and process.poll() is None
                time.sleep(1)
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as a replica with one core has
        try:
            check_contract(client, engine, make_png())
        finally:
            torch.set_num_threads(threads)
    finally:
        process.terminate()
        process.wait(60)
