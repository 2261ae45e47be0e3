"""Two dashboards behind HAProxy, as it is set up for them: one is killed in the middle of a question."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from explain.bundled.pictures import bundled_pictures
from tests.conftest import CONTEXT, open_page
from tests.support.dashboard import ROOT, UNJUDGED, Server, await_condition, find_port
from tests.support.server import NAME, make_identity, sign, write_secrets

DEPLOY = ROOT / ".deploy"
PATIENCE = 180_000
COOKIE = "camscope-server"
OWN = "a picture of ann's.png"


def await_answer(url: str) -> None:
    """Return once a server is ready for people."""
    end = time.monotonic() + PATIENCE / 1000
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert time.monotonic() < end, f"{url} does not answer"
            time.sleep(0.2)


class Hospital:
    """Two servers behind their proxy.

    Attributes:
        url: of the proxy.
        servers: by the names that the proxy has for them.
    """

    def __init__(self, folder: Path) -> None:
        port = find_port()
        self.url = f"http://localhost:{port}"
        flags = write_secrets(folder, self.url)
        self.servers = {name: Server(log=folder / f"{name}.txt", flags=flags) for name in ("one", "two")}
        for server in self.servers.values():
            server.wait()
            await_answer(f"{server.url}/ready")
        addresses = {
            f"CAMSCOPE_{name.upper()}": server.url.replace("http://localhost", "127.0.0.1")
            for name, server in self.servers.items()
        }
        own = {"CAMSCOPE_BIND": f"127.0.0.1:{port}", "CAMSCOPE_SORRY": str(DEPLOY / "sorry.http"), **addresses}
        self.proxy = subprocess.Popen(
            ["haproxy", "-f", str(DEPLOY / "haproxy.cfg")],
            env={**os.environ, **own},
            stdout=(folder / "proxy.txt").open("wb"),
            stderr=subprocess.STDOUT,
        )
        await_answer(f"{self.url}/_stcore/health")

    def stop(self) -> None:
        """End all of it."""
        self.proxy.kill()
        for server in self.servers.values():
            server.stop()


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    if shutil.which("haproxy") is None:
        pytest.skip("No HAProxy on this machine: `apt-get install haproxy`.")
    hospital = Hospital(tmp_path)
    yield hospital
    hospital.stop()


def come(chromium: Browser, hospital: Hospital, name: str) -> Page:
    """A person who has logged in."""
    context = chromium.new_context(**CONTEXT)
    identity = sign(make_identity(sub=name, origin=hospital.url, groups=["camscope-viewer"]))
    context.add_cookies([{"name": NAME, "value": identity, "url": hospital.url}])
    page = open_page(context)
    page.goto(f"{hospital.url}/{UNJUDGED}")
    return page


def find_server(page: Page) -> str:
    """To which server the proxy sends a person."""
    return next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == COOKIE)


def find_map(page: Page) -> Locator:
    return page.locator('.st-key-grid [data-pane="cf-cam"]')


def move(page: Page) -> None:
    """Move a slider, and see its map follow."""
    version = find_map(page).get_attribute("data-version")
    page.get_by_role("slider", name="CF-CAM · Gaussian sigma").press("ArrowRight")
    expect(find_map(page)).not_to_have_attribute("data-version", version or "", timeout=PATIENCE)


@pytest.mark.slow
def test_who_is_at_another_server_notices_nothing_and_its_own_people_go_on_elsewhere(
    chromium: Browser, hospital: Hospital
) -> None:
    ann, bob = (come(chromium, hospital, name) for name in ("ann", "bob"))
    for page in (ann, bob):
        expect(find_map(page)).not_to_have_attribute("data-version", "0", timeout=PATIENCE)
    assert {find_server(ann), find_server(bob)} == {"one", "two"}, "each comes to the server with the fewest people"
    field = ann.get_by_test_id("stFileUploader").filter(has_text="Upload pictures").locator("input[type=file]")
    own = io.BytesIO()
    with Image.open(bundled_pictures()[0].path) as bundled:
        bundled.rotate(20).save(own, "PNG")  # so that no other server has it
    picture = FilePayload(name=OWN, mimeType="image/png", buffer=own.getvalue())
    field.set_input_files(picture)
    expect(ann.locator(".st-key-grid .row-label")).to_have_text([OWN], timeout=PATIENCE)
    for page in (ann, bob):
        find_map(page).locator("[data-tool=settings]").click()

    opened: dict[str, list[str]] = {"ann": [], "bob": []}
    ann.on("websocket", lambda socket: opened["ann"].append(socket.url))
    bob.on("websocket", lambda socket: opened["bob"].append(socket.url))
    ann.get_by_role("slider", name="CF-CAM · Gaussian sigma").press("ArrowRight")
    hospital.servers[find_server(ann)].process.kill()
    for _ in range(5):
        move(bob)
    assert not opened["bob"], "the other server's people keep their connection"

    await_condition(ann, lambda: bool(opened["ann"]), "a connection to the other server")
    told = ann.get_by_text("This link shows a picture that is not open in this window")
    expect(told).to_be_visible(timeout=PATIENCE)
    assert find_server(ann) == find_server(bob), "and no log-in is asked for"
    expect(ann.locator(".st-key-grid .row-label")).to_have_count(0)
    field.set_input_files(picture)
    expect(ann.locator(".st-key-grid .row-label")).to_have_text([OWN], timeout=PATIENCE)
