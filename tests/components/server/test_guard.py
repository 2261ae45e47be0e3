"""Who comes in and who does not; each attack that the door is there for is tried."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.types import Receive, Scope, Send
from streamlit import config
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.web.server.starlette.starlette_app_utils import generate_xsrf_token_string
from streamlit.web.server.starlette.starlette_routes import create_upload_routes

from components.server.ended import Ended
from components.server.guard import Guard
from components.server.metrics import find_metrics
from components.server.settings import ServerSettings
from tests.support.server import (
    NAME,
    ORIGIN,
    SECRET,
    UPLOAD,
    Behind,
    guard,
    make_identity,
    make_login,
    run,
    sign,
    visit,
)

MEGABYTE = 2**20
STREAM = "ws://localhost/_stcore/stream"
PRIVATE = [
    ("PUT", UPLOAD),
    ("DELETE", UPLOAD),
    ("GET", "/media/0a1b.png"),
    ("GET", "/"),
    ("GET", "/layers"),
    ("GET", "/component/canvas/index.html"),
    ("GET", "/staticky"),
]
COOKIES = {
    "none": {},
    "empty": {NAME: ""},
    "forged": {NAME: "eyJpc19sb2dnZWRfaW4iOnRydWV9.aaaa.bbbb"},
    "unsigned": {NAME: '{"is_logged_in": true, "origin": "https://camscope.hospital"}'},
    "expired": {NAME: sign(make_identity(), age=8 * 3600 + 60)},
    "another secret": {NAME: sign(make_identity(), secret=SECRET[::-1])},
    "another cookie": {NAME: sign(make_identity(), name="_streamlit_user_tokens")},
    "another origin": {NAME: sign(make_identity(origin="https://elsewhere"))},
    "logged out": {NAME: sign(make_identity(is_logged_in=False))},
    "no claims": {NAME: sign([1])},
    "chunk missing": {NAME: sign("chunks-2")},
    "not latin": {NAME: "é" * 20},
}


@pytest.fixture(autouse=True)
def address() -> Iterator[None]:
    """As `.streamlit/config.toml` has it: tests do not read that file."""
    before = {name: config.get_option(name) for name in ("server.address", "server.allowedHosts")}
    config.set_option("server.address", "localhost")
    config.set_option("server.allowedHosts", ["localhost", "127.0.0.1", "::1", "camscope.hospital"])
    yield
    for name, value in before.items():
        config.set_option(name, value)


def count_refused(reason: str) -> float:
    return find_metrics().refused.labels(reason)._value.get()


def as_header(cookies: dict[str, str]) -> dict[str, str]:
    return {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()} if cookies else {}  # type: ignore[dict-item]


@pytest.mark.parametrize("kind", COOKIES)
def test_nobody_comes_in_without_an_identity_whose_signature_holds(kind: str) -> None:
    behind = Behind()
    before = count_refused("identity")
    with visit(guard(behind, make_login())) as client:
        for method, path in PRIVATE:
            answer = client.request(method, path, headers=as_header(COOKIES[kind]), content=b"x" * 99)
            assert answer.status_code == 401, path
        with (
            pytest.raises(WebSocketDenialResponse) as denied,
            client.websocket_connect(STREAM, headers={"origin": ORIGIN, **as_header(COOKIES[kind])}),
        ):
            pass
        assert denied.value.status_code == 401
    assert (behind.asked, behind.taken) == ([], 0)
    assert count_refused("identity") == before + len(PRIVATE) + 1


def test_who_has_logged_in_comes_in() -> None:
    behind = Behind()
    headers = {"cookie": f"{NAME}={sign(make_identity())}", "origin": ORIGIN}
    with visit(guard(behind, make_login())) as client:
        for method, path in PRIVATE:
            assert client.request(method, path, headers=headers).status_code == 200, path
        with client.websocket_connect(STREAM, headers=headers) as socket:
            assert socket.receive_text() == "let in"
        del headers["origin"]
        with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect(STREAM, headers=headers):
            pass
        assert denied.value.status_code == 403


def test_an_identity_in_parts_is_put_together_and_each_part_is_verified() -> None:
    import json

    from itsdangerous import URLSafeTimedSerializer

    text = json.dumps(make_identity(groups=["x" * 50] * 50))
    cookies = {NAME: URLSafeTimedSerializer(SECRET, salt=NAME).dumps("chunks-2")}
    for number, part in enumerate((text[:1000], text[1000:]), 1):
        name = f"{NAME}_{number}"
        cookies[name] = URLSafeTimedSerializer(SECRET, salt=name).dumps(part)
    with visit(guard(login=make_login())) as client:
        assert client.get("/", headers=as_header(cookies)).status_code == 200
        cookies[f"{NAME}_1"] = cookies[f"{NAME}_2"]
        assert client.get("/", headers=as_header(cookies)).status_code == 401


def test_the_way_in_is_open_to_all_and_a_person_sees_it() -> None:
    with visit(guard(login=make_login())) as client:
        for path in ("/_stcore/health", "/_stcore/host-config", "/static/js/index.js", "/live", "/ready", "/log-in"):
            assert client.get(path).status_code == 200, path
        for path in ("/auth/login", "/auth/logout", "/oauth2callback"):
            assert client.get(path).status_code == 200, path
        page = client.get("/layers", headers={"accept": "text/html"})
        assert page.status_code == 401 and page.headers["content-type"].startswith("text/html")
        assert 'href="./log-in?with=default&amp;to=%2Flayers"' in page.text
        assert client.get("/media/1.png").text.startswith("Log in first")


def test_a_laptop_asks_for_nothing() -> None:
    behind = Behind()
    with visit(guard(behind, connections=1, uploads_a_minute=1, upload_mb_a_minute=1)) as client:
        for method, path in PRIVATE:
            assert client.request(method, path).status_code == 200
        for _ in range(3):
            assert client.put(UPLOAD, content=bytes(MEGABYTE)).status_code == 200
        with client.websocket_connect(STREAM), client.websocket_connect(STREAM):
            pass


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost@evil.example", "127.0.0.2", ""])
def test_a_host_of_another_name_is_refused_in_a_sentence(host: str) -> None:
    behind = Behind()
    with visit(guard(behind)) as client:
        answer = client.get("/", headers={"host": host})
        assert answer.status_code == 400
        assert "--server.allowedHosts" in answer.text and "evil" not in answer.text
        with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect(STREAM, headers={"host": host}):
            pass
        assert denied.value.status_code == 400
    assert behind.asked == []


@pytest.mark.parametrize("host", ["localhost", "localhost:8501", "LOCALHOST", "127.0.0.1:8501", "[::1]:8501"])
def test_a_host_of_its_own_name_is_not(host: str) -> None:
    with visit(guard()) as client:
        assert client.get("/", headers={"host": host}).status_code == 200


def send(guarded: Any, pieces: Any, headers: dict[str, str], path: str = UPLOAD) -> tuple[int, int]:
    """What a request gets that brings these pieces, whatever its headers say: the status, and how many were taken."""
    taken = 0
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        piece = next(pieces, None)
        if piece is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        taken += 1
        return {"type": "http.request", "body": piece, "more_body": True}

    async def answer(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "method": "PUT",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "headers": [(b"host", b"localhost"), *((k.encode(), v.encode()) for k, v in headers.items())],
    }
    run(guarded(scope, receive, answer))
    (status,) = statuses
    return status, taken


def endless() -> Iterator[bytes]:
    """Two gigabytes, a megabyte at a time."""
    piece = bytes(MEGABYTE)
    return iter(piece for _ in range(2_048))


def test_two_gigabytes_are_refused_by_their_length_before_any_comes() -> None:
    behind = Behind()
    assert send(guard(behind), endless(), {"content-length": str(2 * 2**30)}) == (413, 0)
    assert behind.asked == []


def test_two_gigabytes_that_lie_about_their_length_are_cut_where_they_lie() -> None:
    behind = Behind()
    assert send(guard(behind), endless(), {"content-length": "10"}) == (400, 1)
    assert behind.taken == 0


def test_two_gigabytes_that_say_nothing_are_cut_where_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    before = config.get_option("server.maxUploadSize")
    config.set_option("server.maxUploadSize", 20)
    behind = Behind()
    try:
        assert send(guard(behind), endless(), {"transfer-encoding": "chunked"}) == (413, 22)
    finally:
        config.set_option("server.maxUploadSize", before)
    assert behind.taken == 21 * MEGABYTE


def test_a_body_where_none_belongs_is_cut_after_a_megabyte() -> None:
    assert send(guard(), endless(), {}, path="/layers") == (413, 2)
    assert send(guard(), endless(), {"content-length": str(2 * 2**30)}, path="/layers") == (413, 0)


@pytest.mark.parametrize(
    ("body", "kept"),
    [(b"", True), (b"x" * 99, False), (iter([b"x"] * 9), False)],
    ids=["none", "announced", "in pieces"],
)
def test_a_line_is_closed_on_which_more_is_coming_than_anybody_reads(body: Any, kept: bool) -> None:
    """Or the server would take it all the same, to throw it away."""

    async def answer_at_once(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("no")(scope, receive, send)

    client = TestClient(Guard(answer_at_once, ServerSettings(), None, dict), base_url="http://localhost")
    answer = client.post("/layers", content=body)
    assert (answer.headers.get("connection") != "close") == kept


@pytest.mark.parametrize("length", ["-1", "1e3", "", "9" * 19])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    assert send(guard(), endless(), {"content-length": length}) == (400, 0)


def test_a_session_holds_no_more_than_it_may() -> None:
    behind = Behind()
    behind.files["session-1"] = {"old": SimpleNamespace(name="a.png", data=bytes(3 * MEGABYTE))}
    guarded = guard(behind, shared="yes", upload_mb_a_session=5)
    assert send(guarded, endless(), {}) == (429, 3)
    assert not guarded._coming, "what was on its way is counted no more"
    assert send(guarded, endless(), {"content-length": str(3 * MEGABYTE)}) == (429, 0)
    assert send(guarded, iter([bytes(MEGABYTE)]), {"content-length": str(MEGABYTE)}) == (200, 1)
    assert send(guarded, iter([bytes(4 * MEGABYTE)]), {}, path="/_stcore/upload_file/session-2/a") == (200, 1)


def test_a_session_sends_no_more_in_a_minute_than_it_may() -> None:
    guarded = guard(shared="yes", upload_mb_a_minute=2, uploads_a_minute=4)
    piece = bytes(MEGABYTE)
    assert [send(guarded, iter([piece]), {})[0] for _ in range(3)] == [200, 200, 429]
    assert [send(guarded, iter([b""]), {})[0] for _ in range(2)] == [200, 429]


def test_a_session_that_is_made_up_is_not_remembered_at_any_length() -> None:
    guarded = guard(shared="yes")
    for number in range(3):
        path = f"/_stcore/upload_file/{number}{'x' * 60_000}/file-1"
        assert send(guarded, iter([b"a"]), {}, path=path) == (400, 0)
    assert sum(len(session) for rate in (guarded._uploads, guarded._bytes) for session in rate._now) < 1000


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/cron.d/x",
        "/etc/passwd",
        "a/../../b",
        "..\\..\\x",
        "C:\\x",
        "a\r\nSet-Cookie: b=c",
        "a\0.png",
        "a\x1b[2J",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused_and_its_file_forgotten(name: str) -> None:
    behind = Behind()

    async def add(request: Any) -> Any:
        behind.files["session-1"] = {"file-1": SimpleNamespace(name=name, data=b"x")}
        return await Behind().answer(request)

    behind.answer = add  # type: ignore[method-assign]
    assert send(guard(behind), iter([b"x"]), {}) == (400, 1)
    assert behind.files["session-1"] == {}


def test_of_a_thousand_connections_from_one_address_most_are_refused() -> None:
    guarded = guard(shared="yes", connections=100)
    statuses: list[int] = []

    async def connect(address: str, leave: asyncio.Event) -> None:
        async def receive() -> dict[str, Any]:
            if not started.pop("connect", None):
                await leave.wait()
                return {"type": "websocket.disconnect", "code": 1000}
            return {"type": "websocket.connect"}

        async def answer(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "websocket.accept":
                statuses.append(101)
            elif message["type"] == "websocket.http.response.start":
                statuses.append(message["status"])

        started = {"connect": True}
        scope = {
            "type": "websocket",
            "path": "/_stcore/stream",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"localhost")],
            "client": (address, 1),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        await guarded(scope, receive, answer)

    async def attack() -> None:
        leave = asyncio.Event()
        crowd = [asyncio.create_task(connect("10.0.0.1", leave)) for _ in range(1000)]
        await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        other = asyncio.create_task(connect("10.0.0.2", leave))
        await asyncio.sleep(0.05)
        leave.set()
        await asyncio.gather(*crowd, other)

    run(attack())
    assert (statuses.count(101), statuses.count(429)) == (101, 900), "a hundred, and the one from elsewhere"
    assert not guarded._open._count


def test_log_ins_are_few_in_a_minute() -> None:
    with visit(guard(shared="yes", logins_a_minute=2)) as client:
        assert [client.get("/oauth2callback?code=1").status_code for _ in range(3)] == [200, 200, 429]
        assert client.get("/").status_code == 200


def test_metrics_are_for_the_machine_or_the_token() -> None:
    for path in ("/metrics", "/_stcore/metrics"):
        with visit(guard()) as client:
            assert client.get(path).status_code == 200
            assert client.get(path, headers={"x-forwarded-for": "10.0.0.1"}).status_code == 403
        with visit(guard(), client=("10.0.0.1", 1)) as client:
            assert client.get(path).status_code == 403
        with visit(guard(metrics_token="s3cret"), client=("10.0.0.1", 1)) as client:
            assert client.get(path).status_code == 403
            assert client.get(path, headers={"authorization": "Bearer s3creT"}).status_code == 403
            assert client.get(path, headers={"authorization": "Bearer s3cret"}).status_code == 200


def test_what_is_no_method_of_ours_is_refused() -> None:
    with visit(guard()) as client:
        assert client.request("TRACE", "/").status_code == 405


def test_media_of_many_people_stay_in_no_browser() -> None:
    with visit(guard(shared="yes")) as client:
        assert client.get("/media/1.png").headers["cache-control"] == "no-store"
        assert "cache-control" not in client.get("/static/a.js").headers
    with visit(guard()) as client:
        assert "cache-control" not in client.get("/media/1.png").headers


PART = 'Content-Disposition: form-data; name="file"; {}\r\nContent-Type: image/png'


@pytest.mark.parametrize(
    ("part", "status", "name"),
    [
        (PART.format('filename="cat.png"'), 204, "cat.png"),
        (PART.format('filename="series/IM 1.dcm"'), 204, "series/IM 1.dcm"),
        (PART.format('filename="../../etc/cron.d/x"'), 400, None),
        (PART.format('filename="/etc/passwd"'), 400, None),
        (PART.format("filename*=utf-8''..%2F..%2Fx"), 400, None),
        (PART.format("filename*=utf-8''a%0D%0ASet-Cookie:%20b=c"), 400, None),
        (PART.format('filename="a%0D%0ASet-Cookie: b=c"'), 204, "a%0D%0ASet-Cookie: b=c"),
        (PART.format('filename="a.png"\r\nSet-Cookie: b=c\r\nX: "'), 204, "a.png"),
    ],
)
def test_names_in_what_streamlit_reads_lead_nowhere(part: str, status: int, name: str | None) -> None:
    """Through Streamlit's own door for uploads: what comes of a name, and that none becomes a header of the answer."""
    manager = MemoryUploadedFileManager("/_stcore/upload_file")
    session: Any = SimpleNamespace(is_active_session=lambda _: True)
    inner = Starlette(routes=create_upload_routes(session, manager, ""))
    token = generate_xsrf_token_string()
    headers = {
        "X-Xsrftoken": token,
        "Content-Type": "multipart/form-data; boundary=x",
        "Cookie": f"_streamlit_xsrf={token}",
    }
    body = f"--x\r\n{part}\r\n\r\npixels\r\n--x--\r\n".encode()
    guarded = Guard(inner, ServerSettings(), None, lambda: manager.file_storage)
    with visit(guarded) as client:
        answer = client.put(UPLOAD, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert "set-cookie" not in answer.headers
    assert [file.name for file in manager.file_storage["session-1"].values()] == ([name] if name else [])


def test_a_cookie_copied_before_the_log_out_opens_nothing_after_it(tmp_path: Path) -> None:
    """On no server that shares the folder; another log-in of the same person goes on."""
    ended = tmp_path / "ended"
    copied = as_header({NAME: sign(make_identity(iat=1_000, nonce="n1"))})
    other = as_header({NAME: sign(make_identity(iat=1_000, nonce="n2"))})
    here, there = (guard(login=make_login(), ended=Ended(ended, 8)) for _ in range(2))
    with visit(here, ORIGIN.partition("//")[2]) as client, visit(there, ORIGIN.partition("//")[2]) as elsewhere:
        for cookie in (copied, other):
            assert client.get("/layers", headers=cookie).status_code == 200
        assert client.get("/auth/logout").status_code == 200, "who is not logged in ends nobody's log-in"
        forged = as_header({NAME: sign(make_identity(iat=1_000, nonce="n1"), secret=SECRET[::-1])})
        assert client.get("/auth/logout", headers=forged).status_code == 200
        assert client.get("/layers", headers=copied).status_code == 200
        assert client.get("/auth/logout", headers=copied).status_code == 200
        before = count_refused("identity")
        for one in (client, elsewhere):
            for method, path in PRIVATE:
                assert one.request(method, path, headers=copied).status_code == 401, (method, path)
            assert one.get("/layers", headers=other).status_code == 200
            with (
                pytest.raises(WebSocketDenialResponse),
                one.websocket_connect(STREAM, headers=copied | {"origin": ORIGIN}),
            ):
                pass
        assert count_refused("identity") == before + 2 * (len(PRIVATE) + 1)
