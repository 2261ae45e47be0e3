"""The dashboard as benchmarks see it: a server of their own, and a Chromium."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
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
_SECONDS_TO_START = 120
_LOOK_AGAIN = 0.02


@dataclass(frozen=True)
class Dashboard:
    """A running server.

    Attributes:
        url: where it answers.
        pid: of its process.
        started: when the process was started, by `time.perf_counter`.
        answered: when it first answered.
    """

    url: str
    pid: int
    started: float
    answered: float


@contextlib.contextmanager
def serve_dashboard() -> Iterator[Dashboard]:
    """Serve `app.py` on a free port, and end the server afterwards."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"http://localhost:{port}"
    started = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.port", str(port)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(url, server, started)
        yield Dashboard(url, server.pid, started, time.perf_counter())
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def find_chromium() -> str | None:
    """The browser's program: `CAMSCOPE_CHROMIUM`, or the first of the usual names on the path."""
    named = os.environ.get("CAMSCOPE_CHROMIUM")
    if named:
        return named
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


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


def _wait_for(url: str, server: subprocess.Popen[bytes], started: float) -> None:
    while time.perf_counter() - started < _SECONDS_TO_START:
        if server.poll() is not None:
            raise SystemExit(f"The dashboard ended with {server.returncode} before it answered.")
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(_LOOK_AGAIN)
    raise SystemExit(f"The dashboard did not answer within {_SECONDS_TO_START} s.")
