"""What several tests share: the server, the browser and the command line."""

import os

# Read once, when torch is first imported: spinning OpenMP threads beside a browser slow everything tenfold.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# What tests expect are the bits of the CPU, and pictures one by one; those of a GPU name it.
os.environ.setdefault("CAMSCOPE_DEVICE", "cpu")

import gc
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.dashboard import CHROMIUM_FLAGS, ROOT, Server, find_chromium

# What is imported and collected from here on is there to stay; see `pytest_collection_finish`.
gc.disable()

# What tests keep is theirs alone, and what the person at this computer keeps is none of their business. The servers
# that tests start inherit it.
HOME = tempfile.mkdtemp(prefix="camscope-tests-")
os.environ["CAMSCOPE_HOME"] = HOME

PATIENCE = 120_000
"""Milliseconds until what has to come is given up: a busy machine is slow, not wrong."""

expect.set_options(timeout=PATIENCE)


class Requests(list[str]):
    """The addresses a page has asked for, in order."""

    @property
    def to_other_hosts(self) -> list[str]:
        """Those that left the machine. `data:` and `blob:` addresses do not."""
        asked = [(address, urlsplit(address)) for address in self]
        return [
            address
            for address, parts in asked
            if parts.scheme in {"http", "https", "ws", "wss", "ftp"}
            and parts.hostname not in {"localhost", "127.0.0.1", "::1"}
        ]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have one worker run all that drives the same server; see there."""
    if config.option.dist != "loadfile":
        return None
    from tests.support.workers import Workers

    return Workers(config, log)


def pytest_collection_finish() -> None:
    """Leave what is there out of every search for garbage: a million things, looked through every few seconds."""
    gc.freeze()
    gc.enable()
    _be_patient()
    if "PYTEST_XDIST_WORKER" in os.environ and "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)  # the workers have the cores among them, and two threads of one wait for each other


def _be_patient() -> None:
    """Have patience with pages that are run without a browser too: unless told otherwise they have three seconds."""
    if "streamlit.testing.v1" not in sys.modules:
        return
    from streamlit.testing.v1 import AppTest

    begin = AppTest.__init__

    def begin_patiently(app: AppTest, *args: Any, default_timeout: float, **given: Any) -> None:
        begin(app, *args, default_timeout=max(default_timeout, PATIENCE / 1000), **given)

    AppTest.__init__ = begin_patiently  # type: ignore[method-assign]


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(HOME, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark whatever drives the browser, so that `-m "not browser"` leaves it out; skip what is slow unless chosen.
    Workers begin with what takes long.
    """
    if hasattr(config, "workerinput"):
        from tests.support.workers import sort_key

        items.sort(key=lambda item: sort_key(item.nodeid.split("::")[0]))
    for item in items:
        if item.get_closest_marker("slow") and "slow" not in config.option.markexpr:
            item.add_marker(pytest.mark.skip(reason="Takes minutes: choose it with -m slow."))
        if {"chromium", "page"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium. Without one the test is skipped, or fails under `CAMSCOPE_REQUIRE_BROWSER=1`."""
    program = find_chromium()
    if program is None:
        reason = "No Chromium on this machine: `apt-get install chromium`, or name one in CAMSCOPE_CHROMIUM."
        if os.environ.get("CAMSCOPE_REQUIRE_BROWSER") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def requests(page: Page) -> Requests:
    """Every address `page` asks for, web sockets included: `assert requests.to_other_hosts == []`."""
    return page.requests_made  # type: ignore[attr-defined]


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A fresh page of 1400×1000 pixels, with its own cookies. See `requests` for what it asked for. The server's
    content security policy has to hold, whatever a test does.
    """
    context = chromium.new_context(**CONTEXT)
    page = open_page(context)
    yield page
    breaches = page.breaches  # type: ignore[attr-defined]
    context.close()
    assert breaches == []


CONTEXT: dict[str, Any] = {"viewport": {"width": 1400, "height": 1000}, "accept_downloads": True}


def open_page(context: BrowserContext) -> Page:
    """A new page of a context, with lists of what it asks for, and of what the server's policy kept it from."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    made = Requests()
    page.on("request", lambda request: made.append(request.url))
    page.on("websocket", lambda socket: made.append(socket.url))
    page.requests_made = made  # type: ignore[attr-defined]
    breaches: list[str] = []
    page.on("console", lambda said: breaches.append(said.text) if "Content Security Policy" in said.text else None)
    page.breaches = breaches  # type: ignore[attr-defined]
    return page


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Path, Server]]:
    """The servers that run, by the script they serve."""
    running: dict[Path, Server] = {}
    yield running
    for server in running.values():
        server.stop()


@pytest.fixture(scope="session")
def serve(servers: dict[Path, Server], tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path | str], str]:
    """Start `streamlit run` on a script and return its address; the same script is served once a session."""

    def start(app: Path | str) -> str:
        script = (ROOT / app).resolve()
        if script not in servers:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("CAMSCOPE_HOME", HOME)  # and not a folder of the test that happens to be the first to ask
                server = Server(script, tmp_path_factory.mktemp("server") / "log.txt")
            server.wait()
            servers[script] = server
        return servers[script].url

    return start


@pytest.fixture
def app_url(serve: Callable[[Path | str], str]) -> str:
    """The address of the dashboard itself."""
    return serve("app.py")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[int, str, str]]:
    """Run a line of `python -m explain` in this process and return exit status, stdout and stderr."""
    from explain.__main__ import main

    def call(line: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["explain", *shlex.split(line)])
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return call


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Put the servers' logs beside a failed test."""
    report = yield
    servers: dict[Path, Server] = getattr(item, "funcargs", {}).get("servers", {})
    if report.failed:
        for script, server in servers.items():
            report.sections.append((f"log of {script.name}", server.read_log()[-8000:]))
    return report
