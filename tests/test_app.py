"""The front door: every page opens, and the first one is drawn before torch is imported."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from streamlit.testing.v1 import AppTest

from components.server.settings import ServerSettings
from components.session import engine
from components.session.work import Work
from explain.engine.admission import ASKING, Ticket
from explain.engine.engine import Engine
from explain.engine.figures import Figures
from explain.errors import ExplainError

ROOT = Path(__file__).resolve().parents[1]

FIRST_PAINT = """
import asyncio
import importlib
import sys
from dataclasses import replace
from pathlib import Path

import components.session.engine
from streamlit.testing.v1 import AppTest
from streamlit.web.server.app_discovery import discover_asgi_app

seen = []


def start(work):
    seen.append(sorted({"torch", "timm", "torchvision"} & set(sys.modules)))
    raise RuntimeError("torch is broken here")


async def serve():
    async with server._user_lifespan(server):
        print(len(seen), end=" ")


components.session.engine._start = start
module, _, name = discover_asgi_app(Path("app.py")).import_string.partition(":")
server = getattr(importlib.import_module(module), name)
asyncio.run(serve())
app = AppTest.from_file("app.py", default_timeout=60).run()
assert not app.exception, app.exception
print(seen, [title.value for title in app.title], [error.value for error in app.error])
"""


def test_the_engine_starts_with_the_server_and_the_page_says_when_it_cannot() -> None:
    """Once, with nobody there, and without torch until its own thread imports it."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_PAINT], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    drawn = done.stdout.strip()
    assert drawn.startswith("1 [[]]"), drawn
    assert "Where the model looks" in drawn
    assert "could not be started" in drawn
    assert "broken here" not in drawn


def test_who_gives_up_waiting_for_the_engine_does_not_stop_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a reload: the first look is nobody's question."""
    asked: list[Ticket | None] = []

    class Engine:
        forget_unused = None

        def explain(self, *_: object) -> None:
            asked.append(ASKING.get())

    monkeypatch.setattr("explain.engine.engine.Engine", Engine)
    monkeypatch.setattr(engine.gc, "freeze", lambda: None)
    monkeypatch.setattr(engine.gc, "collect", lambda: None)
    assert isinstance(Work(engine._start).result(), Engine)
    assert asked == [None]


def test_the_engine_makes_way_for_a_page_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    busy = False

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if busy:
            engine.make_way()

    monkeypatch.setattr(engine, "_making_way_until", 0.0)
    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    engine._await_paint()
    assert now == [100.0], "nobody is there"
    engine.make_way()
    engine._await_paint()
    assert now[0] == pytest.approx(100 + engine._LONGEST_RUN, abs=0.1)
    engine.make_way()
    engine.make_way(0)  # it is drawn
    engine._await_paint()
    assert now[0] == pytest.approx(100 + engine._LONGEST_RUN, abs=0.1)
    began, busy = now[0], True
    engine.make_way()
    engine._await_paint()
    assert now[0] == pytest.approx(began + engine._MOST_PATIENCE, abs=0.1)


def test_a_device_of_no_known_kind_is_said_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_DEVICE", "gpu")

    def show() -> None:
        from components.session.engine import await_engine
        from components.session.work import Place

        await_engine(Place("body"))

    def start() -> Work[Any]:
        return Work(lambda work: Engine())

    monkeypatch.setattr("components.session.engine.start_engine", start)
    monkeypatch.setattr(start, "clear", start, raising=False)
    page = AppTest.from_function(show, default_timeout=60).run()
    assert not page.exception
    (said,) = (error.value for error in page.error)
    assert said == (
        "The engine could not be started. CAMSCOPE_DEVICE cannot be “gpu”. It takes auto, cpu, cuda, cuda:0 or mps."
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder in which nobody has trained prompts."""
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))


def open_page(name: str) -> AppTest:
    def show(name: str) -> None:
        from importlib import import_module

        import_module(f"pages.{name}").show_page()

    return AppTest.from_function(show, args=(name,), default_timeout=60).run()


@pytest.mark.parametrize(("name", "title"), [("methods", "Methods"), ("models", "Models")])
def test_the_other_pages(name: str, title: str) -> None:
    page = open_page(name)
    assert not page.exception
    assert not page.error
    assert page.title[0].value == title
    # A person may go to a paper. Nothing else leads to another host.
    led_to = {
        address for element in page for address in re.findall(r"https?://[^/\s)]+", str(getattr(element, "proto", "")))
    }
    assert led_to == ({"https://arxiv.org"} if name == "methods" else set())


@pytest.mark.usefixtures("home")
def test_methods_and_models_are_all_there() -> None:
    from explain.bundled.models import bundled_models, bundled_volume_models
    from explain.methods import all_methods
    from explain.methods.base import Group

    headings = [heading.value for heading in open_page("methods").subheader]
    methods = sorted(all_methods().values(), key=lambda method: get_args(Group).index(method.group))
    assert headings == [method.title for method in methods]
    labels = [card.label for card in open_page("models").expander]
    shipped = [*bundled_models(), *bundled_volume_models()]
    assert all(model.name in label for model, label in zip(shipped, labels, strict=True))


def test_a_server_without_an_engine_of_its_own_tells_the_truth_of_the_one_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from explain.remote.client import EngineClient
    from explain.remote.here import Here
    from explain.remote.service import Service

    found: list[Any] = [ServerSettings(engine="http://127.0.0.1:9")]
    monkeypatch.setattr(engine, "read_server_settings", lambda: found[0])
    monkeypatch.setattr(engine, "start_letting_go", lambda forget: None)
    assert engine.is_elsewhere()
    with pytest.raises(ExplainError, match="asked only by who knows its word: set CAMSCOPE_ENGINE_WORD"):
        engine._reach()
    found[0] = ServerSettings(engine="http://127.0.0.1:9", engine_word="known to the two of us")
    client = engine._reach()
    assert isinstance(client, EngineClient)
    started = Work(lambda _: client)
    assert started.result() is client
    monkeypatch.setattr(engine, "start_engine", lambda: started)
    assert engine._look_at_engine() is None  # nobody listens there
    served = Service(Engine(device="cpu"))
    served.engine.admission.refused = 7
    client._transport = Here(served)
    figures = engine._look_at_engine()
    assert isinstance(figures, Figures) and figures.turned_away == 7 and figures.most_waiting == 64
    monkeypatch.setattr(engine, "is_elsewhere", lambda: False)
    monkeypatch.setattr(engine, "start_engine", lambda: Work(lambda _: served.engine))
    assert engine.start_engine().wait(10)
    own = engine._look_at_engine()
    assert isinstance(own, Figures) and replace(own, waits={}) == replace(figures, waits={})
    assert own.waits.keys() == figures.waits.keys()


def test_what_needs_a_network_here_says_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def show() -> None:
        from components.session.engine import needs_own_engine

        assert needs_own_engine()

    monkeypatch.setattr(engine, "is_elsewhere", lambda: True)
    page = AppTest.from_function(show, default_timeout=60).run()
    assert not page.exception
    (said,) = (info.value for info in page.info)
    assert said.startswith("This needs an engine of this server's own")
