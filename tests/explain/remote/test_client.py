"""A client answers as its engine does: the same suite is run on both. Nothing of a file's name crosses."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from explain.engine.engine import Engine
from explain.errors import Cancelled, ExplainError, ModelError
from explain.models.request import build_file_request
from explain.remote.client import EngineClient
from explain.remote.here import Here
from explain.remote.service import MOST_JOBS, Service
from explain.remote.store import Store, UnknownDigest
from explain.remote.wire import Ask
from tests.support.engine import make_picture
from tests.support.remote import MODEL, check_contract, hearing, make_png


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(device="cpu")


@pytest.fixture
def transport(engine: Engine) -> Here:
    return Here(Service(engine))


@pytest.fixture(params=["engine", "client"])
def asked(request: pytest.FixtureRequest, engine: Engine, transport: Here) -> Any:
    return engine if request.param == "engine" else EngineClient(transport)


def test_the_contract(asked: Any, engine: Engine) -> None:
    check_contract(asked, engine, make_png())


def test_a_picture_is_sent_once_and_again_when_it_is_gone(engine: Engine) -> None:
    store = Store()
    transport = Here(Service(engine, store))
    client = EngineClient(transport)
    with hearing(transport, "put") as put:
        client.explain([make_png(), make_picture(1)], MODEL, "grad-cam")
        client.explain([make_png(), make_picture(1)], MODEL, "eigen-cam")
        assert len(put) == 2
        transport.have = lambda digest: True  # and then the engine is started anew
        store.forget()
        client.explain([make_png(), make_picture(1)], MODEL, "grad-cam")
        assert len(put) == 4
        store.forget()
        transport.put = lambda data: "kept by nobody"
        with pytest.raises(UnknownDigest):
            client.explain(make_png(), MODEL, "grad-cam")


def test_no_name_of_a_file_crosses(tmp_path: Path, transport: Here) -> None:
    path = tmp_path / "Doe^Jane.png"
    path.write_bytes(make_png())
    with hearing(transport, "explain") as asked, hearing(transport, "put") as put:
        answer = EngineClient(transport).explain(path, MODEL, "grad-cam")
        EngineClient(transport).explain(make_picture(1, "Doe^Jane.png"), MODEL, "grad-cam")
    assert answer.pictures[0].picture.name == "Doe^Jane.png"
    assert b"Doe" not in b"".join(one for call in (*asked, *put) for one in call)


def test_weights_are_safetensors_or_stay_here(tmp_path: Path, engine: Engine, transport: Here) -> None:
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    state = squeezenet1_1(num_classes=10).state_dict()
    (tmp_path / "own.safetensors").write_bytes(save(state))
    torch.save(state, tmp_path / "own.pth")
    client = EngineClient(transport)
    loaded = client.load(tmp_path / "own.safetensors")
    assert loaded.fingerprint == engine.load(tmp_path / "own.safetensors").fingerprint
    assert client.explain(make_png(), loaded, "grad-cam").pictures[0].maps[0].values.ndim == 2
    with pytest.raises(ModelError, match="only safetensors are taken"):
        client.load(tmp_path / "own.pth")
    with pytest.raises(ModelError, match="is not sent elsewhere"):
        client.load(torch.nn.Linear(1, 1))  # type: ignore[arg-type]
    pickled = (tmp_path / "own.pth").read_bytes()
    request = build_file_request(pickled, "own.pth")
    question = Ask(job="0" * 32, model=request, weights=transport.put(pickled))
    with pytest.raises(ModelError, match="only safetensors are taken"):  # whatever its client thinks of that
        transport.load(question.model_dump_json().encode())


def test_other_weights_under_a_name_are_refused(transport: Here) -> None:
    from dataclasses import replace

    client = EngineClient(transport)
    other = replace(client.load(MODEL), fingerprint="0")
    with pytest.raises(ExplainError, match="other weights under this model's name"):
        client.explain(make_png(), other, "grad-cam")


def test_whoever_stops_listening_stops_the_work(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(engine)
    stopped = threading.Event()

    def explain(*args: Any, **told: Any) -> Any:
        args[9](0.5, "half")
        assert args[10].wait(60)
        stopped.set()
        raise ExplainError("Stopped.")

    monkeypatch.setattr(engine, "explain", explain)
    client = EngineClient(Here(service))
    heard: list[float] = []

    def leave(share: float, text: str) -> None:
        heard.append(share)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.explain(make_png(), MODEL, "grad-cam", progress=leave)
    assert stopped.wait(60) and heard == [0.5]
    until = time.monotonic() + 60
    while service.running:
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_press_before_the_engine_knows_of_the_question_stops_it_too(
    engine: Engine, transport: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel, told = threading.Event(), threading.Event()
    ask, stop = transport.explain, transport.cancel

    def explain(question: bytes) -> Iterator[tuple[bytes, bytes]]:
        cancel.set()
        assert told.wait(60)  # the engine has been told to stop what it has never heard of
        yield from ask(question)

    def hear(job: str) -> None:
        stop(job)
        first = not told.is_set()
        told.set()
        if first:
            raise ExplainError("The line is bad.")

    def work(*args: Any, **_: Any) -> Any:
        raise Cancelled("Stopped.") if args[10].wait(2) else TimeoutError

    monkeypatch.setattr(engine, "explain", work)
    monkeypatch.setattr(transport, "explain", explain)
    monkeypatch.setattr(transport, "cancel", hear)
    client = EngineClient(transport)
    with pytest.raises(Cancelled):
        client.explain(make_png(), client.load(MODEL), "grad-cam", cancel=cancel)


def test_faults_and_floods_are_sentences(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(engine)
    client = EngineClient(Here(service))

    def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("of the patient Doe")

    with monkeypatch.context() as patch:
        patch.setattr(engine, "explain", fail)
        with pytest.raises(ExplainError, match=r"could not answer .ZeroDivisionError.\.$"):
            client.explain(make_png(), MODEL, "grad-cam")
    service._jobs = {str(number): threading.Event() for number in range(MOST_JOBS)}
    with pytest.raises(ExplainError, match="too much to do"):
        client.explain(make_png(), MODEL, "grad-cam")
