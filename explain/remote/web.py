"""The service over HTTP, and a client's way to it. Whoever asks must know the engine's word."""

from __future__ import annotations

import asyncio
import hmac
import http.client
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from explain.errors import Busy, EngineAway, ExplainError
from explain.remote.service import MOST_JOBS, Service
from explain.remote.store import MAX_PUT
from explain.remote.wire import read_error, read_frames, write_error

WORD = "CAMSCOPE_ENGINE_WORD"
"""Names in the environment the word that clients must know."""

_SECONDS_TO_ANSWER = 60.0
_SECONDS_TO_LOAD = 600.0  # it may have to be fetched from the hub
_SECONDS_TO_DESCRIBE = 3.0
_PUTS_AT_ONCE = 4  # each may take `MAX_PUT` of memory
_MOST_ASKED = 2**20  # bytes of a question
_REFUSED = 422
_PLAIN, _JSON = "application/octet-stream", "application/json"


def build_app(service: Service, word: str) -> Starlette:
    """The service as an ASGI application.

    Args:
        service: answers.
        word: what clients send as `Authorization: Bearer …`.
    """
    waiting = ThreadPoolExecutor(MOST_JOBS, "remote-answer")  # not Starlette's: who waits would hold up all others
    taking = asyncio.Semaphore(_PUTS_AT_ONCE)

    async def have(request: Request) -> Response:
        return Response(status_code=204 if service.store.have(request.path_params["digest"]) else 404)

    async def put(request: Request) -> Response:
        async with taking:
            data = await _read(request, MAX_PUT)
            return Response(await run_in_threadpool(service.store.put, data))

    async def describe(request: Request) -> Response:
        return Response(await run_in_threadpool(service.describe), media_type=_JSON)

    async def load(request: Request) -> Response:
        return Response(await run_in_threadpool(service.load, await _read(request, _MOST_ASKED)), media_type=_JSON)

    async def explain(request: Request) -> Response:
        frames = cast(Any, service.explain(await _read(request, _MOST_ASKED)))

        async def send() -> AsyncIterator[bytes]:
            step = waiting.submit(next, frames, None)
            try:
                while (frame := await asyncio.wrap_future(step)) is not None:
                    yield frame
                    step = waiting.submit(next, frames, None)
            finally:  # whoever asked is gone, or has it all; a frame that is on its way is waited for
                step.add_done_callback(lambda _: frames.close())

        return StreamingResponse(send(), media_type=_PLAIN)

    async def cancel(request: Request) -> Response:
        service.cancel(request.path_params["job"])
        return Response(status_code=204)

    def guard(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def check(request: Request) -> Response:
            told = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(told.encode(), word.encode()):
                return Response(write_error(ExplainError("The engine does not know you: its word is another.")), 401)
            try:
                return await answer(request)
            except ExplainError as error:
                return Response(write_error(error), _REFUSED, media_type=_JSON)
            except ClientDisconnect:
                return Response(status_code=400)

        return check

    routes = {
        "/pictures/{digest}": ("HEAD", have),
        "/pictures": ("POST", put),
        "/engine": ("GET", describe),
        "/models": ("POST", load),
        "/explanations": ("POST", explain),
        "/explanations/{job}": ("DELETE", cancel),
    }
    return Starlette(routes=[Route(path, guard(answer), methods=[verb]) for path, (verb, answer) in routes.items()])


async def _read(request: Request, most: int) -> bytes:
    """The body of a request; what is longer than it may be is not read to its end.

    Raises:
        ExplainError: it is too long.
    """
    parts, count = [], 0
    async for part in request.stream():
        count += len(part)
        if count > most:
            raise ExplainError(f"The engine takes at most {most / 2**20:.0f} MB at once.")
        parts.append(part)
    return b"".join(parts)


class Web:
    """See `explain.remote.client.Transport`.

    Args:
        address: of the service, `http://HOST:PORT`.
        word: that it must be told.
    """

    def __init__(self, address: str, word: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ExplainError(f"{address} is no address of an engine. Write http://HOST:PORT.")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connect = partial(kind, parts.hostname, parts.port, timeout=_SECONDS_TO_ANSWER)
        self._start = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {word}"}
        self._shown = f"{parts.hostname}:{parts.port or ''}".rstrip(":")

    def have(self, digest: str) -> bool:
        """Whether the engine holds what was put."""
        return self._ask("HEAD", f"/pictures/{digest}", missing_is=b"no") != b"no"

    def put(self, data: bytes) -> str:
        """Give the engine bytes to keep; their digest."""
        return self._ask("POST", "/pictures", data).decode("ascii", "replace")

    def describe(self) -> bytes:
        """Where models run, as JSON."""
        return self._ask("GET", "/engine", seconds=_SECONDS_TO_DESCRIBE)

    def load(self, question: bytes) -> bytes:
        """What the model of a question is, as JSON."""
        return self._ask("POST", "/models", question, seconds=_SECONDS_TO_LOAD)

    def cancel(self, job: str) -> None:
        """Stop what is done for a question."""
        self._ask("DELETE", f"/explanations/{job}")

    def explain(self, question: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The frames of the answer; closing them closes the connection, which cancels."""
        connection = self._connect()
        with closing(connection):
            answer = self._send(connection, "POST", "/explanations", question)
            if answer.status != 200:
                raise self._read_refusal(answer.status, answer.read())
            try:
                yield from read_frames(cast(io.BufferedReader, answer))
            except (OSError, http.client.HTTPException) as error:
                raise self._refuse(error) from None

    def _ask(
        self,
        verb: str,
        path: str,
        data: bytes | None = None,
        missing_is: bytes = b"",
        seconds: float = _SECONDS_TO_ANSWER,
    ) -> bytes:
        connection = self._connect(timeout=seconds)
        with closing(connection):
            answer = self._send(connection, verb, path, data)
            try:
                told = answer.read()
            except (OSError, http.client.HTTPException) as error:
                raise self._refuse(error) from None
        if answer.status == 404 and missing_is:
            return missing_is
        if answer.status >= 400:
            raise self._read_refusal(answer.status, told)
        return told

    def _read_refusal(self, status: int, told: bytes) -> ExplainError:
        if status == 503:  # of Ray Serve, whose words are no error of ours
            return Busy("The engine has too much to do. Ask again in a minute.")
        return read_error(told) if told else ExplainError(f"The engine at {self._shown} refused ({status}).")

    def _send(
        self, connection: http.client.HTTPConnection, verb: str, path: str, data: bytes | None
    ) -> http.client.HTTPResponse:
        assert re.fullmatch(r"/[a-z]+(/[0-9a-f]*)?", path)
        try:
            connection.request(verb, self._start + path, data, self._headers)
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._refuse(error) from None

    def _refuse(self, error: Exception) -> EngineAway:
        told = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return EngineAway(f"The engine at {self._shown} does not answer ({told}). Is it started?")
