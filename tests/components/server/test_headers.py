"""What browsers are told with every answer."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from streamlit.file_util import get_static_dir

from components.server.guard import Guard
from components.server.headers import build_policy, hash_scripts
from components.server.login import build_login
from components.server.settings import ServerSettings
from tests.support.server import AUTH, NAME, guard, make_identity, make_login, sign, visit


def test_the_policy_names_the_scripts_of_the_page_that_is_served() -> None:
    page = (Path(get_static_dir()) / "index.html").read_text(encoding="utf-8")
    script = page.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert page.count("<script>") == 1
    assert f"script-src 'self' blob: 'sha256-{digest}';" in build_policy()
    assert "unsafe-eval" not in build_policy() and build_policy().count("unsafe-inline") == 1


def test_only_scripts_that_stand_in_the_page_are_hashed() -> None:
    page = "<script src='a.js'></script><SCRIPT type='module'>one()</SCRIPT>\n<script>two()\n</script>"
    digests = [base64.b64encode(hashlib.sha256(text).digest()).decode() for text in (b"one()", b"two()\n")]
    assert hash_scripts(page) == [f"'sha256-{digest}'" for digest in digests]


@pytest.mark.parametrize("path", ["/", "/media/a.png", "/_stcore/health", "/live"])
def test_every_answer_has_them_those_of_the_guard_too(path: str) -> None:
    for guarded in (guard(), guard(login=make_login())):
        with visit(guarded) as client:
            for host in ("localhost", "elsewhere.example"):
                headers = client.get(path, headers={"host": host}).headers
                assert headers["content-security-policy"] == build_policy()
                assert headers["x-content-type-options"] == "nosniff"
                assert headers["referrer-policy"] == "no-referrer"
                assert headers["permissions-policy"].startswith("camera=(self)")
                assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(("scheme", "marked"), [("https", True), ("http", False)])
def test_cookies_go_by_https_only_where_the_address_does(scheme: str, marked: bool) -> None:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        response = PlainTextResponse("here")
        response.set_cookie("plain", "1")
        response.set_cookie("marked", "2", secure=True)
        await response(scope, receive, send)

    origin = f"{scheme}://camscope.hospital"
    login = build_login(AUTH | {"redirect_uri": f"{origin}/oauth2callback"}, 8)
    client = TestClient(Guard(answer, ServerSettings(), login, dict), base_url="http://localhost")
    answered = client.get("/", headers={"cookie": f"{NAME}={sign(make_identity(origin=origin))}"})
    plain, secure = answered.headers.get_list("set-cookie")
    assert plain.lower().count("; secure") == marked
    assert secure.lower().count("; secure") == 1
