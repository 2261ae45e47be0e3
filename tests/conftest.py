"""What several tests share: the server and the browser."""

import os

# Read once, when torch is first imported: spinning OpenMP threads beside a browser slow everything tenfold.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.dashboard import CHROMIUM_FLAGS, find_chromium

# What tests keep is theirs alone, and what the person at this computer keeps is none of their business. The servers
# that tests start inherit it.
os.environ["CAMSCOPE_HOME"] = tempfile.mkdtemp(prefix="camscope-tests-")

ROOT = Path(__file__).resolve().parents[1]
SECONDS_TO_START = 90


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


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(os.environ["CAMSCOPE_HOME"], ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark whatever drives the browser, so that `-m "not browser"` leaves it out; skip what is slow unless chosen."""
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
    """A fresh page of 1400×1000 pixels, with its own cookies. See `requests` for what it asked for."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
    page = context.new_page()
    made = Requests()
    context.on("request", lambda request: made.append(request.url))
    page.on("websocket", lambda socket: made.append(socket.url))
    page.requests_made = made  # type: ignore[attr-defined]
    yield page
    context.close()


def free_port() -> int:
    """A port nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """A running `streamlit run`, and its log."""

    def __init__(self, app: Path, log: Path) -> None:
        self.log = log
        port = free_port()
        self.url = f"http://localhost:{port}"
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "streamlit", "run", str(app), "--server.port", str(port)),
                    *("--server.headless", "true", "--server.address", "localhost"),
                ],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT)},
            )

    def wait(self) -> None:
        """Return once the server answers; fail with its log if it ends or stays silent."""
        until = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < until:
            if self.process.poll() is not None:
                pytest.fail(f"The server ended with {self.process.returncode}:\n{self.read_log()}", pytrace=False)
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        self.stop()
        pytest.fail(f"No answer within {SECONDS_TO_START} s:\n{self.read_log()}", pytrace=False)

    def read_log(self) -> str:
        """What the server has printed so far."""
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        """End the server, firmly if it does not listen."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


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
            server = Server(script, tmp_path_factory.mktemp("server") / "log.txt")
            server.wait()
            servers[script] = server
        return servers[script].url

    return start


@pytest.fixture
def app_url(serve: Callable[[Path | str], str]) -> str:
    """The address of the dashboard itself."""
    return serve("app.py")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Put the servers' logs beside a failed test."""
    report = yield
    servers: dict[Path, Server] = getattr(item, "funcargs", {}).get("servers", {})
    if report.failed:
        for script, server in servers.items():
            report.sections.append((f"log of {script.name}", server.read_log()[-8000:]))
    return report
