"""Answers that no page gives: what the guard says to what it refuses."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from components.server.events import Reason


class Refused(Exception):
    """A request that is not let in.

    Args:
        status: of HTTP.
        reason: for the log and the metrics.
        sentence: for the person.
    """

    def __init__(self, status: int, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.reason = reason


async def answer(refused: Refused, scope: Scope, receive: Receive, send: Send, page: str = "") -> None:
    """Refuse a request or a connection, and close the line: what is still on its way is not taken.

    Args:
        page: what a person in a browser sees in place of the sentence.
    """
    if page:
        response = Response(page, refused.status, media_type="text/html")
    else:
        response = Response(f"{refused}\n", refused.status, media_type="text/plain")
    response.headers["Cache-Control"] = "no-store"
    if scope["type"] == "websocket":
        await _deny(response, scope, receive, send)
        return
    response.headers["Connection"] = "close"
    await response(scope, receive, send)


async def _deny(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse the handshake with the status, where the server can; else with its own 403."""
    await receive()  # the browser's wish to connect
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    await send(
        {"type": "websocket.http.response.start", "status": response.status_code, "headers": response.raw_headers}
    )
    await send({"type": "websocket.http.response.body", "body": response.body})
