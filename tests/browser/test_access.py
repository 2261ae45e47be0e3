"""People who log in by a provider: what each sees, what none sees of another's, and what is left when they go."""

from __future__ import annotations

import hashlib
import io
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect

from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.storage import PEOPLE, VARIABLE
from tests.conftest import CONTEXT, open_page
from tests.support.dashboard import UNJUDGED, Server, find_port
from tests.support.prompts import keep_prompts
from tests.support.server import NAME, write_secrets

PEOPLE_HERE = {
    "ann": ("Ann Archer", ["camscope-admin"]),
    "bob": ("Bob Baker", ["staff", "camscope-viewer"]),
    "eve": ("Eve Early", ["staff"]),
}


class Hospital:
    """A server, and the provider by which people log in.

    Attributes:
        url: of the server.
        provider: its address.
        home: the data folder.
        server: itself.
    """

    def __init__(self, folder: Path, provider: str) -> None:
        port = find_port()
        self.url, self.provider, self.home = f"http://localhost:{port}", provider, folder / "home"
        metadata = f"{provider}/.well-known/openid-configuration"
        self.server = Server(
            log=folder / "log.txt",
            port=port,
            flags=write_secrets(folder, self.url, server_metadata_url=metadata),
            environment={VARIABLE: str(self.home), "CAMSCOPE_SESSIONS_A_PERSON": "3"},
        )
        self.server.wait()

    def find_folder(self, name: str) -> Path:
        """Where what a person makes is kept."""
        return self.home / PEOPLE / hashlib.sha256(f"{self.provider}\n{name}".encode()).hexdigest()

    def come(self, chromium: Browser, name: str, page_address: str = f"/{UNJUDGED}") -> Page:
        """A person comes with a browser of their own, and logs in."""
        context = chromium.new_context(**CONTEXT)
        # The provider's own form asks another host for its looks.
        context.route(lambda url: urlsplit(url).hostname != "localhost", lambda route: route.abort())
        page = open_page(context)
        page.goto(f"{self.url}{page_address}")
        page.get_by_role("link", name="Log in").click()
        page.wait_for_url(f"{self.provider}/**")
        page.locator(f"button[value={name}], input[value={name}]").first.click()
        page.wait_for_url(f"{self.url}/**")
        return page


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    mock = pytest.importorskip("oidc_provider_mock", reason="No provider here: `pip install -r requirements-dev.txt`.")
    users = [mock.User(sub=sub, claims={"name": name, "groups": groups}) for sub, (name, groups) in PEOPLE_HERE.items()]
    with mock.run_server_in_thread(user_claims=users) as provider:
        hospital = Hospital(tmp_path, f"http://localhost:{provider.server_port}")
        try:
            yield hospital
        finally:
            hospital.server.stop()


def upload(page: Page) -> None:
    """A picture of one's own."""
    own = io.BytesIO()
    with Image.open(bundled_pictures()[0].path) as bundled:
        bundled.rotate(20).save(own, "PNG")
    field = page.get_by_test_id("stFileUploader").filter(has_text="Upload pictures").locator("input[type=file]")
    field.set_input_files(FilePayload(name="anns.png", mimeType="image/png", buffer=own.getvalue()))
    expect(page.locator(".st-key-grid .row-label")).to_have_text(["anns.png"])


def list_asked(page: Page) -> list[str]:
    return list(page.requests_made)  # type: ignore[attr-defined]


def try_cookies(hospital: Hospital, cookies: list[Any]) -> list[int]:
    """What cookies open somewhere else: the status of a page, and of a picture."""
    value = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in cookies)
    found = []
    for address in ("/layers", "/media/a.png"):
        try:
            request = urllib.request.Request(f"{hospital.url}{address}", headers={"Cookie": value})
            with urllib.request.urlopen(request) as answer:
                found.append(answer.status)
        except urllib.error.HTTPError as error:
            found.append(error.code)
    return found


@pytest.mark.slow
def test_each_has_what_is_theirs_and_who_logs_out_is_out(
    hospital: Hospital, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as keeping:
        keeping.setenv(VARIABLE, str(hospital.find_folder("ann")))
        keep_prompts("anns-birds", ("a", "b"), Engine().load("photo-vit"))
    ann = hospital.come(chromium, "ann")
    expect(ann.locator(".st-key-person")).to_contain_text("Ann Archer · admin")
    upload(ann)
    theirs = next(address for address in list_asked(ann) if "/upload_file/" in address)

    bob = hospital.come(chromium, "bob", "/?model=prompts:anns-birds&verdicts=0")
    expect(bob.locator(".st-key-person")).to_contain_text("Bob Baker · viewer")
    expect(bob.get_by_text("There are no prompts “anns-birds” on this computer.")).to_be_visible()
    with ann.expect_download() as download:
        ann.get_by_role("button", name="Manifest").click()
    assert ann.context.request.get(download.value.url).status == 200
    refused = bob.context.request.get(download.value.url)
    assert refused.status == 403 and "somebody else's" in refused.text()
    for method in ("PUT", "DELETE"):
        refused = bob.context.request.fetch(theirs, method=method, data=b"x" if method == "PUT" else None)
        assert refused.status == 403 and "somebody else's" in refused.text()
    for address, sentence in {"studio": "let you train", "collection": "let you open or begin runs"}.items():
        bob.goto(f"{hospital.url}/{address}")
        expect(bob.get_by_text(sentence)).to_be_visible()
        expect(bob.get_by_role("button", name="Start training")).to_have_count(0)
    bob.goto(f"{hospital.url}/audit")
    expect(bob.locator(".st-key-person")).to_be_visible()
    expect(bob.get_by_text("Who did what")).to_have_count(0)

    check_windows(hospital, bob)

    eve = hospital.come(chromium, "eve")
    expect(eve.get_by_text("nobody has given you a role here")).to_be_visible()
    expect(eve.get_by_test_id("stFileUploader")).to_have_count(0)

    audit = ann.context.new_page()
    audit.goto(f"{hospital.url}/audit")
    expect(audit.get_by_text("lines follow from each other")).to_be_visible()
    copied = ann.context.cookies(hospital.url)
    assert any(cookie["name"] == NAME for cookie in copied)
    assert try_cookies(hospital, copied)[0] == 200
    began = time.monotonic()
    ann.get_by_role("button", name="Log out").click()
    ann.wait_for_url(f"{hospital.provider}/**")
    assert try_cookies(hospital, copied) == [401, 401], "the cookie was copied before"
    expect(audit.get_by_role("link", name="Log in")).to_be_visible(timeout=70_000)
    assert time.monotonic() - began < 70, "the other window, in which nobody pressed anything"
    expect(bob.locator(".st-key-person")).to_be_visible()

    hosts = {urlsplit(address).netloc for page in (ann, bob, eve) for address in list_asked(page)}
    strangers = hosts - {urlsplit(address).netloc for address in (hospital.url, hospital.provider)} - {""}
    assert strangers <= {"cdn.jsdelivr.net"}, "which the provider's own form asks for its looks"
    check_kept(hospital)


def check_windows(hospital: Hospital, first: Page) -> None:
    """A window too many says what to do, and goes on once another is closed; reloads count for none."""
    second, third, fourth = (first.context.new_page() for _ in range(3))
    for page in (second, third):
        page.goto(f"{hospital.url}/methods")
        expect(page.locator(".st-key-person")).to_be_visible()
    for _ in range(11):
        third.reload()
    expect(third.locator(".st-key-person")).to_be_visible()
    fourth.goto(f"{hospital.url}/methods")
    expect(fourth.get_by_text("You have 3 windows of CAMscope open already")).to_be_visible()
    expect(fourth.locator(".st-key-person")).to_have_count(0)
    second.close()
    expect(fourth.locator(".st-key-person")).to_be_visible(timeout=20_000)
    for page in (third, fourth):
        page.close()


def check_kept(hospital: Hospital) -> None:
    """The audit log says what happened, and neither it nor the server's log names anybody."""
    text = (hospital.home / "access" / "audit.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"page opened", "explain", "log-out"} <= {line["action"] for line in lines}
    for name in ("Archer", "Baker", "Early", "anns.png"):
        assert name not in text and name not in hospital.server.read_log()
