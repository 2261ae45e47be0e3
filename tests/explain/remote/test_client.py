"""A client answers as its engine does: the same suite is run on both. Nothing of a file's name crosses."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from explain.engine.admission import ASKING, Ticket
from explain.engine.engine import Engine
from explain.errors import Busy, Cancelled, ExplainError, ModelError
from explain.models.request import ModelRequest, build_file_request
from explain.remote.calls import CALLS
from explain.remote.client import EngineClient
from explain.remote.here import Here
from explain.remote.service import MOST_JOBS, Service, _Job
from explain.remote.store import Store, UnknownDigest
from explain.remote.wire import ERROR, Ask, read_error
from tests.support.dashboard import ROOT
from tests.support.engine import build_model, make_picture
from tests.support.remote import MODEL, check_calls, check_contract, give_models, hearing, make_png


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


def test_every_method_that_pages_ask_answers_as_the_engines_own() -> None:
    engine = Engine(device="cpu")
    give_models(engine)
    check_calls(EngineClient(Here(Service(engine))), engine)


def test_pages_ask_nothing_but_what_may_be_asked() -> None:
    sources = [
        *(ROOT / "components").rglob("*.py"),
        *(ROOT / "pages").rglob("*.py"),
        *(ROOT / "explain/traits").glob("*.py"),
    ]
    text = "".join(path.read_text(encoding="utf-8") for path in [*sources, ROOT / "explain/engine/expecting.py"])
    asked = set(re.findall(r"\b(?:\w+\.)?engine\.([a-z_]+)\(", text)) - {"elsewhere"}
    assert {"explain", "capture", "measure_effects"} <= asked
    there = CALLS.keys() | set(vars(EngineClient))
    ours = {"forget_unused", "read_counted"}  # of an engine of this server's own alone
    assert asked <= there | ours, asked - there


def test_what_does_not_cross_is_a_sentence(transport: Here) -> None:
    client = EngineClient(transport)
    for model in (ModelRequest(source="prompts", name="mine"), build_model("cnn")):
        with pytest.raises(ModelError, match="needs an engine of this server's own"):
            client.load(model)  # type: ignore[arg-type]
    with pytest.raises(ExplainError, match="“labels” does not cross"):
        client.explain(make_png(), MODEL, "grad-cam", labels="imagenet")
    loaded = client.load(MODEL)
    with pytest.raises(ModelError, match="needs an engine of this server's own"):
        loaded.module.state_dict()
    with pytest.raises(AttributeError):
        client.forget()
    # Whatever its client thinks of it.
    question = Ask(job="0" * 32, model=ModelRequest(source="prompts", name="anybody's"))
    with pytest.raises(ModelError, match="trained on another server"):
        transport.load(question.model_dump_json().encode())


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("explain", {"pictures": "/etc/passwd"}),
        ("explain", {"pictures": [{"$picture": 3}]}),
        ("explain", {"pictures": {"$Path": {"args": "/etc/passwd"}}}),
        ("judge", {"picture": {"$volume": 0}}),
        ("draw", {"channel": 1, "start": {"$array": "../../etc/passwd"}}),
        ("explain", {"methods": {"$settings": ["cf-cam", {}]}}),
        ("forget", {}),
        ("", {}),
    ],
)
def test_a_question_of_nobodys_making_is_refused(transport: Here, call: str, arguments: dict[str, Any]) -> None:
    model = ModelRequest(source="bundled", name=MODEL)
    question = Ask(job="0" * 32, call=call, model=model, arguments=arguments)
    ((letter, data),) = transport.explain(question.model_dump_json().encode())
    told = read_error(data)
    assert letter == ERROR and re.search("no question|cannot be asked|does not hold", str(told)), told


def test_who_asks_is_told_apart_and_not_known(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Ticket] = []

    def explain(**_: Any) -> Any:
        ticket = ASKING.get()
        assert ticket is not None
        heard.append(ticket)
        raise ExplainError("Heard.")

    monkeypatch.setattr(engine, "explain", explain)
    transport = Here(Service(engine))
    clients = [EngineClient(transport), EngineClient(transport)]
    loaded = clients[0].load(MODEL)
    asked = [
        (clients[0], Ticket("Doe-1", "grid", "long")),
        (clients[0], Ticket("Doe-2")),
        (clients[1], Ticket("Doe-1")),
    ]
    for client, ticket in (*asked, asked[0]):
        token = ASKING.set(ticket)
        with hearing(transport, "explain") as sent, pytest.raises(ExplainError, match="Heard"):
            client.explain(make_png(), loaded, "grad-cam")
        ASKING.reset(token)
        assert b"Doe" not in sent[0][0]
    assert len({ticket.session for ticket in heard}) == 3
    first = heard[0]
    assert (first.pane, first.kind, first.number) == ("grid", "long", asked[0][1].number)
    assert heard[3] is first  # what a question had before counts


def test_what_a_question_took_is_told(engine: Engine) -> None:
    ticket = Ticket("Doe-1")
    token = ASKING.set(ticket)
    try:
        EngineClient(Here(Service(engine))).explain(make_picture(78), MODEL, "grad-cam")
    finally:
        ASKING.reset(token)
    assert ticket.turns > 0 and ticket.used > 0 and ticket.turned_out != "touch"


def test_the_place_in_the_queue_is_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.remote.service._SECONDS_BETWEEN_LOOKS", 0.01)
    client, ticket = EngineClient(Here(Service(engine))), Ticket("ann")
    loaded, places, cancel = client.load(MODEL), [], threading.Event()

    def ask() -> None:
        ASKING.set(ticket)
        with suppress(Cancelled):
            client.explain(make_picture(77), loaded, "grad-cam", cancel=cancel)

    with ExitStack() as turns:
        free = [Ticket(str(number)) for number in range(engine.admission.line.slots)]
        for one in free:
            assert engine.admission.line.request(one, time.monotonic())
            turns.callback(engine.admission.line.release, one, time.monotonic() + 1)
        thread = threading.Thread(target=ask)
        thread.start()
        until = time.monotonic() + 60
        while not ticket.describe_wait():
            assert time.monotonic() < until
            time.sleep(0.005)
        places.append(ticket.describe_wait())
        cancel.set()
        thread.join(60)
    assert "ahead of yours, about" in places[0] and ticket.describe_wait() == ""


def test_a_picture_is_sent_once_and_again_when_it_is_gone(engine: Engine) -> None:
    store = Store()
    service = Service(engine, store)
    transport = Here(service)
    client = EngineClient(transport)

    def start_anew() -> None:
        store.forget()
        service._opened.forget()

    with hearing(transport, "put") as put:
        client.explain([make_png(), make_picture(1)], MODEL, "grad-cam")
        client.explain([make_png(), make_picture(1)], MODEL, "eigen-cam")
        assert len(put) == 2
        transport.have = lambda digest: True  # and then the engine is started anew
        start_anew()
        client.explain([make_png(), make_picture(1)], MODEL, "grad-cam")
        assert len(put) == 4
        start_anew()
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
        told["progress"](0.5, "half")
        assert told["cancel"].wait(60)
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

    def work(*_: Any, **told: Any) -> Any:
        raise Cancelled("Stopped.") if told["cancel"].wait(2) else TimeoutError

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
    service._jobs = {str(number): _Job() for number in range(MOST_JOBS)}
    with pytest.raises(Busy, match="too much to do"):
        client.explain(make_png(), MODEL, "grad-cam")
