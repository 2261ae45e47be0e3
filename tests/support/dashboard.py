"""The dashboard as tests and benchmarks see it: a server of their own, and a Chromium."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
UNJUDGED = "?model=imagenet-cnn&verdicts=0"
"""The address of what the dashboard shows at first, without verdicts: checking maps takes the passes and the time that
other tests count.
"""

T = TypeVar("T")
_SECONDS_TO_START = 120
_SECONDS_TO_COME = 120
_LOOK_AGAIN = 0.02


class Server:
    """A running `streamlit run` on a free port.

    Args:
        app: the script that is served.
        log: what the server prints is written there; left out, it is lost.
        root: the folder of the code that is served.
        port: to listen on; left out, a free one.
        flags: of `streamlit run`, besides.
        environment: variables, besides.

    Attributes:
        url: where it answers.
        process: the server's own.
        started: when the process was started, by `time.perf_counter`.
        answered: when it first answered, once `wait` has returned.
    """

    def __init__(
        self,
        app: Path = ROOT / "app.py",
        log: Path | None = None,
        port: int | None = None,
        flags: Sequence[str] = (),
        root: Path = ROOT,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        port = port or find_port()
        self.url = f"http://localhost:{port}"
        self._log = log
        self.started = self.answered = time.perf_counter()
        with Path(log or os.devnull).open("wb") as sink:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "streamlit", "run", str(app), "--server.port", str(port)),
                    *("--server.headless", "true", "--server.address", "localhost", *flags),
                ],
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT if log else None,
                env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(root), **environment},
            )

    def wait(self) -> None:
        """Return once the server answers.

        Raises:
            RuntimeError: it ended, or stayed silent and was ended; with its log.
        """
        while time.perf_counter() - self.started < _SECONDS_TO_START:
            if self.process.poll() is not None:
                raise RuntimeError(f"The server ended with {self.process.returncode}.\n{self.read_log()}")
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2):
                    self.answered = time.perf_counter()
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(_LOOK_AGAIN)
        self.stop()
        raise RuntimeError(f"No answer within {_SECONDS_TO_START} s.\n{self.read_log()}")

    def read_log(self) -> str:
        """What the server has printed so far."""
        return self._log.read_text(errors="replace") if self._log else ""

    def stop(self) -> None:
        """End the server, firmly if it does not listen."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def find_port() -> int:
    """A port that is free, and below those that systems lend to connections: of these one may be taken until the
    server has started.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def serve_dashboard() -> Iterator[Server]:
    """Serve `app.py` on a free port, and end the server afterwards."""
    server = Server()
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def find_chromium() -> str | None:
    """The browser's program: `CAMSCOPE_CHROMIUM`, or the first of the usual names on the path."""
    named = os.environ.get("CAMSCOPE_CHROMIUM")
    if named:
        return named
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def await_condition(page: Page, holds: Callable[[], bool], what: str = "what was waited for") -> None:
    """Wait until it holds.

    Raises:
        AssertionError: it never did.
    """
    end = time.monotonic() + _SECONDS_TO_COME
    while not holds():
        assert time.monotonic() < end, f"{what} has not come"
        page.wait_for_timeout(100)


def await_still(page: Page, measure: Callable[[], T]) -> T:
    """What is measured on a page, once it stands still: a busy browser lays a page out more than once."""
    found = measure()
    end = time.monotonic() + _SECONDS_TO_COME
    while True:
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        page.wait_for_timeout(150)
        before, found = found, measure()
        if before == found:
            return found
        assert time.monotonic() < end, "the page has not come to rest"


@contextlib.contextmanager
def launch_chromium() -> Iterator[Browser]:
    """A headless Chromium; see `find_chromium`."""
    program = find_chromium()
    if program is None:
        raise SystemExit("No Chromium on this machine: `apt-get install chromium`, or name one in CAMSCOPE_CHROMIUM.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            browser.close()
