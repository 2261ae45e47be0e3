"""What stands before the dashboard, without it: a guard round an application that takes what it is given."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from itsdangerous import URLSafeTimedSerializer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from components.server.ended import Ended
from components.server.guard import Guard
from components.server.login import Login, build_login
from components.server.settings import ServerSettings

T = TypeVar("T")

SECRET = "0123456789abcdef" * 4
ORIGIN = "https://camscope.hospital"
NAME = "_streamlit_user"
UPLOAD = "/_stcore/upload_file/session-1/file-1"
AUTH = {
    "redirect_uri": f"{ORIGIN}/oauth2callback",
    "cookie_secret": SECRET,
    "client_id": "camscope",
    "client_secret": "x",
    "server_metadata_url": "http://localhost:1/.well-known/openid-configuration",
}


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do it in a thread of its own: the browser's tests leave a loop running in theirs."""
    with ThreadPoolExecutor() as thread:
        return thread.submit(asyncio.run, work).result()


def write_secrets(folder: Path, url: str, **changed: str) -> tuple[str, ...]:
    """Have people log in on a server.

    Args:
        folder: where its secrets are written.
        url: by which people reach it.
        changed: of `AUTH`.

    Returns:
        The flags that it is started with.
    """
    path = folder / "secrets.toml"
    auth = AUTH | {"redirect_uri": f"{url}/oauth2callback", **changed}
    path.write_text("[auth]\n" + "".join(f'{key} = "{value}"\n' for key, value in auth.items()))
    return "--secrets.files", str(path)


def make_login(hours: float = 8.0) -> Login:
    """A log-in by one provider."""
    return build_login(AUTH, hours)


def sign(claims: Any, secret: str = SECRET, name: str = NAME, age: float = 0.0) -> str:
    """A cookie as Streamlit writes it.

    Args:
        age: seconds since it was signed.
    """
    signed = time.time() - age
    with patch("time.time", lambda: signed):
        return str(URLSafeTimedSerializer(secret, salt=name).dumps(json.dumps(claims)))


def make_identity(**changed: Any) -> dict[str, Any]:
    """What Streamlit keeps of a person."""
    return {"sub": "ann", "iss": "idp", "is_logged_in": True, "origin": ORIGIN, "provider": "default", **changed}


class Behind:
    """An application that takes every body, and counts.

    Attributes:
        taken: bytes of bodies.
        asked: paths.
        files: what is at hand, as Streamlit keeps it.
        may_have: whether a person may ask for a path.
    """

    def __init__(self) -> None:
        self.taken = 0
        self.asked: list[str] = []
        self.files: dict[str, dict[str, Any]] = {}
        self.may_have: Callable[[Mapping[str, Any], str], bool] = lambda _, __: True

    async def answer(self, request: Request) -> Response:
        """Take the body whole."""
        self.asked.append(request.url.path)
        async for piece in request.stream():
            self.taken += len(piece)
        return PlainTextResponse("let in")

    async def connect(self, websocket: WebSocket) -> None:
        """Say hello, and wait until the other side is gone."""
        await websocket.accept()
        await websocket.send_text("let in")
        await websocket.receive()


def guard(
    behind: Behind | None = None,
    login: Login | None = None,
    ended: Ended | None = None,
    count_windows: Callable[[Mapping[str, Any], str], int] = lambda _, __: 0,
    **settings: Any,
) -> Guard:
    """A guard round it."""
    behind = behind or Behind()
    methods = ["GET", "PUT", "DELETE", "POST"]
    inner = Starlette(
        routes=[
            WebSocketRoute("/_stcore/stream", behind.connect),
            Route("/{path:path}", behind.answer, methods=methods),
        ]
    )
    return Guard(inner, ServerSettings(**settings), login, lambda: behind.files, behind.may_have, ended, count_windows)


@contextmanager
def visit(guarded: Guard, host: str = "localhost", **named: Any) -> Iterator[TestClient]:
    """A visitor, from an address of this machine if nothing else is said."""
    named.setdefault("client", ("127.0.0.1", 50_000))
    with TestClient(guarded, base_url=f"http://{host}", **named) as client:
        yield client
