"""A server without an engine of its own: its maps are those of one that has, and it says when the engine is gone."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import torch
import uvicorn
from playwright.sync_api import Page, expect

from explain.engine.engine import Engine
from explain.remote.service import Service
from explain.remote.web import build_app
from tests.support.dashboard import UNJUDGED, Server, await_condition, await_still, find_port

SECRET = "known to the two of us"


@contextmanager
def serving(engine: Engine, port: int) -> Iterator[None]:
    """While entered, an engine listens that nothing was put to."""
    config = uvicorn.Config(build_app(Service(engine), SECRET), "127.0.0.1", port, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        thread.join(30)


def is_ready(server: Server) -> bool:
    """Whether a dashboard's server asks for people."""
    with suppress(OSError, urllib.error.HTTPError), urllib.request.urlopen(f"{server.url}/ready", timeout=10) as answer:
        return bool(answer.status == 200)
    return False


def read_maps(page: Page, url: str) -> list[str]:
    """What stands on the canvases of Compare, once all four maps do."""
    page.goto(f"{url}/{UNJUDGED}")
    return read_drawn(page)


def read_drawn(page: Page) -> list[str]:
    """What stands on the canvases, once all maps and their scales do."""
    canvases = page.locator("canvas")
    await_condition(page, lambda: canvases.count() >= 5, "the maps")
    drawn: list[str] = await_still(page, lambda: canvases.evaluate_all("(all) => all.map((one) => one.toDataURL())"))
    return drawn


@pytest.mark.slow
def test_an_engine_elsewhere_comes_and_goes(page: Page) -> None:
    port = find_port()
    told = {"CAMSCOPE_ENGINE": f"http://127.0.0.1:{port}", "CAMSCOPE_ENGINE_WORD": SECRET}
    engine = Engine(device="cpu")
    server = Server(environment=told)
    # Another number of threads would change the last bits of its maps.
    own = Server(environment={"OMP_NUM_THREADS": str(torch.get_num_threads())})
    try:
        server.wait()
        own.wait()
        with serving(engine, port):
            await_condition(page, lambda: is_ready(server))
            maps = read_maps(page, server.url)
        assert maps == read_maps(page, own.url)
        assert not is_ready(server)
        page.goto(f"{server.url}/{UNJUDGED}")
        expect(page.get_by_text("does not answer")).to_be_visible()
        with serving(engine, port):
            page.get_by_role("button", name="Ask again").click()
            assert maps == read_drawn(page)
        page.goto(f"{server.url}/studio")
        expect(page.get_by_text("This needs an engine of this server's own")).to_be_visible()
    finally:
        server.stop()
        own.stop()
