"""The server as it is started: what comes from the line is what the guard of `components/server/` lets in."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.conftest import CONTEXT, open_page
from tests.support.dashboard import Server, find_port
from tests.support.server import NAME, make_identity, sign, write_secrets

CANARY = "Mustermann-Erika-1950"
MEGABYTE = 2**20


def send_raw(url: str, head: str, megabytes: int = 0, chunked: bool = False) -> tuple[str, int]:
    """What a server answers to a request as it is typed, and how many megabytes it took before it hung up."""
    parts = urlsplit(url)
    piece = bytes(MEGABYTE)
    sent = 0
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as line:
        line.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(megabytes):
                line.sendall(b"100000\r\n" + piece + b"\r\n" if chunked else piece)
                sent += 1
        answer = b""
        with contextlib.suppress(OSError):
            while more := line.recv(65_536):
                answer += more
    return answer.decode("latin-1"), sent


def test_the_door_is_where_the_line_comes_in(app_url: str) -> None:
    with urllib.request.urlopen(f"{app_url}/live") as answer:
        assert answer.read() == b"live\n"
    host = f"localhost:{urlsplit(app_url).port}"
    put = "PUT /_stcore/upload_file/s/f HTTP/1.1"
    answer, _ = send_raw(app_url, "GET / HTTP/1.1\nHost: evil.example\nConnection: close")
    assert answer.startswith("HTTP/1.1 400") and "does not go by that name" in answer
    answer, sent = send_raw(app_url, f"{put}\nHost: {host}\nContent-Length: 2147483648", 2_048)
    assert answer.startswith("HTTP/1.1 413") or not answer, "the line may break before the answer is read"
    assert sent < 100, "megabytes that a line holds before somebody reads them"
    answer, sent = send_raw(app_url, f"POST /layers HTTP/1.1\nHost: {host}\nTransfer-Encoding: chunked", 2_048, True)
    assert sent < 100
    answer, sent = send_raw(app_url, f"{put}\nHost: {host}\nContent-Length: 10", 2_048)
    assert sent < 100, "what comes beyond its announced length is no part of it"


@dataclass
class Trace:
    """What a process and its threads write into files while they are watched.

    Attributes:
        log: of strace.
        process: strace.
        apart: files that are not counted.
    """

    log: Path
    process: subprocess.Popen[bytes]
    apart: tuple[Path, ...]

    def stop(self) -> None:
        """Watch no longer."""
        self.process.terminate()
        self.process.wait(20)

    def count_bytes(self) -> dict[str, int]:
        """By file, the bytes written into it; files without a name, of which nobody hears otherwise, too."""
        found: dict[str, int] = {}
        wrote = re.compile(r"(?:write|pwrite64|writev|pwritev2?)\(\d+<(/[^>]*)>.*= (\d+)$")
        opened = re.compile(r"openat\([^,]*, \"([^\"]*)\", [^)]*O_TMPFILE")
        for line in self.log.read_text(errors="replace").splitlines():
            if (match := wrote.search(line)) and not match[1].startswith(("/dev/", "/proc/", "/memfd:")):
                found[match[1]] = found.get(match[1], 0) + int(match[2])
            elif match := opened.search(line):
                found[f"{match[1]} (no name)"] = 0
        return {name: size for name, size in found.items() if Path(name) not in self.apart}


def trace(process: int, log: Path, *apart: Path) -> Trace:
    """Watch a process; the test is skipped where that cannot be done."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("No strace on this machine: `apt-get install strace`.")
    calls = "trace=openat,write,pwrite64,writev,pwritev,pwritev2"
    tracer = subprocess.Popen(
        [program, "-f", "-y", "-s", "0", "-e", calls, "-o", str(log), "-p", str(process)], stderr=subprocess.PIPE
    )
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    if b"attached" not in said:
        pytest.skip(f"strace may watch nothing here: {said.decode(errors='replace').strip()}")
    return Trace(log, tracer, apart)


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Server]:
    """A server on which people log in, whose temporary folder is on the disk."""
    port = find_port()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    flags = write_secrets(tmp_path, f"http://localhost:{port}")
    environment = {"TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    server = Server(log=tmp_path / "log.txt", port=port, flags=flags, environment=environment)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def read(url: str) -> tuple[int, str]:
    """The status and the text of an address."""
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.slow
def test_a_hospitals_server_lets_in_who_belongs_and_writes_nothing_down(
    hospital: Server, chromium: Browser, tmp_path: Path
) -> None:
    """Who has not logged in sees the way in. Who has uploads pictures: none of their bytes reaches the disk, and no
    name of theirs the log or the metrics.
    """
    origin = hospital.url
    assert read(f"{origin}/media/a.png")[0] == 401
    context = chromium.new_context(**CONTEXT)
    page = open_page(context)
    page.goto(f"{origin}/layers")
    expect(page.get_by_role("link", name="Log in")).to_be_visible()
    assert not any("_stcore" in address for address in page.requests_made)  # type: ignore[attr-defined]
    deadline = time.monotonic() + 120
    while read(f"{origin}/ready")[0] != 200:
        assert time.monotonic() < deadline, read(f"{origin}/ready")
        time.sleep(0.5)
    context.add_cookies(
        [{"name": NAME, "value": sign(make_identity(origin=origin, groups=["camscope-viewer"])), "url": origin}]
    )
    page.goto(f"{origin}/?model=photo-cnn&verdicts=0")
    expect(page.locator(".st-key-grid .row-label").first).to_be_visible()
    audited = [Path(os.environ["CAMSCOPE_HOME"]) / "access" / f"audit.{ending}" for ending in ("jsonl", "lock")]
    watched = trace(hospital.process.pid, tmp_path / "strace.txt", tmp_path / "log.txt", *audited)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), np.uint8)).save(
        tmp_path / f"{CANARY}.png", compress_level=0
    )
    (tmp_path / f"{CANARY}-2.png").write_bytes(b"no picture" * MEGABYTE)
    field = page.get_by_test_id("stFileUploader").filter(has_text="Upload pictures").locator("input[type=file]")
    field.set_input_files([tmp_path / f"{CANARY}.png", tmp_path / f"{CANARY}-2.png"])
    expect(page.locator(".st-key-grid .row-label")).to_have_text([f"{CANARY}.png"])
    expect(page.get_by_role("alert").filter(has_text=f"{CANARY}-2.png")).to_be_visible()
    page.wait_for_timeout(2_000)
    watched.stop()
    assert watched.count_bytes() == {}
    assert "camscope_upload_bytes_count 2.0" in read(f"{origin}/metrics")[1]
    assert page.breaches == []  # type: ignore[attr-defined]
    assert CANARY not in audited[0].read_text()
    check_log(hospital, page.requests_made, read(f"{origin}/metrics")[1])  # type: ignore[attr-defined]
    address = next(address for address in page.requests_made if "/upload_file/" in address)  # type: ignore[attr-defined]
    other = chromium.new_context()
    other.add_cookies([{"name": NAME, "value": sign(make_identity(origin=origin, sub="ben")), "url": origin}])
    assert other.request.put(address, data=b"x").status == 403
    assert "somebody else's" in other.request.put(address, data=b"x").text()
    other.close()
    context.close()


def check_log(server: Server, asked: list[str], metrics: str) -> None:
    """All lines are of JSON, and neither they nor the metrics hold a name or a session."""
    session = next(address for address in asked if "/upload_file/" in address).split("/")[-2]
    log = server.read_log()
    for text in (log, metrics):
        assert CANARY not in text and session not in text
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    events = [line["event"] for line in lines]
    assert events[0] == "server started" and {"page opened", "answered", "refused"} <= set(events)
    uploads = [line for line in lines if line["event"] == "upload"]
    assert [line["bytes"] > 10 * MEGABYTE - 1 for line in uploads] == [True, True]
    assert len({line["session"] for line in uploads}) == 1
    others = [line for line in log.splitlines() if line and not line.startswith("{")]
    assert all(line.startswith(" ") for line in others), "besides, Streamlit says where it listens"
