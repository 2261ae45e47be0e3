"""The one door of the server: every request and every connection comes through it, before Streamlit sees it.

What is asked of each, in this order:

1. It names a host that this server goes by. Another name is a stranger's page in somebody's browser (DNS rebinding).
2. Its address has not more open than it may, nor begins more log-ins.
3. Where people log in, it brings an identity whose signature holds and whose log-in is not over, but for the few
   addresses of `_OPEN`.
4. It brings no more than it may: by its own word first, then by what comes.

On the laptop of one person only the first and the size of a single upload are asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from hmac import compare_digest
from http import HTTPMethod
from typing import Any
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config, runtime
from streamlit.url_util import make_url_path
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from components.server.answers import Refused, answer
from components.server.bodies import MANY_UPLOADS, Body, is_safe_name, read_length
from components.server.ended import Ended
from components.server.events import log_event
from components.server.headers import with_headers
from components.server.limits import Open, Rate, name_neighbourhood
from components.server.log_in_page import WAY_BACK, build_log_in_page, check_way_back
from components.server.login import Login, is_loopback, is_shared
from components.server.metrics import find_metrics
from components.server.owners import MEDIA, UPLOADS, count_windows_before, may_have
from components.server.routes import LIVE, LOG_IN, METRICS, READY
from components.server.settings import ServerSettings

_OPEN = ("/_stcore/health", "/_stcore/host-config", LIVE, READY)
"""What proxies and Streamlit's page ask before anybody has logged in. They say nothing of anybody."""

_OPEN_FOLDERS = ("/static/", "/favicon")  # Streamlit's own files
LOG_OUT = "/auth/logout"  # Streamlit's own
_LOG_INS = (LOG_IN, "/auth/login", LOG_OUT, "/oauth2callback")
_COUNTS = (METRICS, "/_stcore/metrics")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_METHODS = {HTTPMethod.GET, HTTPMethod.HEAD, HTTPMethod.OPTIONS, HTTPMethod.PUT, HTTPMethod.DELETE, HTTPMethod.POST}
_MEGABYTE = 2**20
_LONGEST_SESSION = 64  # characters, of which Streamlit's have 36: each is counted for two minutes, whoever made it up
_MOST_ELSEWHERE = _MEGABYTE  # bytes of a body that is no upload: there is none


@dataclass(frozen=True)
class Came:
    """What came to the door.

    Attributes:
        path: below the address at which the dashboard is served.
        host: of the sender.
        headers: of the request.
        connection: for cookies.
        is_page: a person waits for a page in a browser.
    """

    path: str
    host: str
    headers: Headers
    connection: HTTPConnection
    is_page: bool


class Guard:
    """Asks at the door; see above.

    Args:
        app: whatever is behind.
        settings: of the server.
        login: how people log in; None where nobody has to.
        files: gives uploads at hand, by session and by file; left out, Streamlit's.
        may_have: whether a person may ask for a path; left out, by Streamlit's books.
        ended: the log-ins that are over; left out, none is before its hours are.
        count_windows: how many windows a person had open before that of a session; left out, by Streamlit's books.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ServerSettings,
        login: Login | None,
        files: Callable[[], MutableMapping[str, Any]] | None = None,
        may_have: Callable[[Mapping[str, Any], str], bool] = may_have,
        ended: Ended | None = None,
        count_windows: Callable[[Mapping[str, Any], str], int] = count_windows_before,
    ) -> None:
        self._app = app
        self._settings = settings
        self._login = login
        self._shared = is_shared(settings, login)
        self._files = files or _find_files
        self._may_have = may_have
        self._ended = ended
        self._count_windows = count_windows
        self._base = config.get_option("server.baseUrlPath") or ""
        self._open = Open(self._settings.connections)
        self._coming: Counter[str] = Counter()  # bytes on their way, by session
        self._log_ins = Rate(self._settings.logins_a_minute)
        self._uploads = Rate(self._settings.uploads_a_minute)
        self._bytes = Rate(self._settings.upload_mb_a_minute * _MEGABYTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        came = self._look_at(scope)
        send = with_headers(
            send,
            secure=self._login is not None and self._login.origin.startswith("https:"),
            keep=not (self._shared and came.path.startswith(MEDIA)),
        )
        counted = False
        try:
            self._check_host(came)
            if self._shared:
                counted = self._open.enter(came.host)
                if not counted:
                    raise Refused(429, "connections", "Too much is open from your address. Close some pages.")
            self._check_sender(came, scope)
            await self._let_in(came, scope, receive, send)
        except Refused as refused:
            find_metrics().refused.labels(refused.reason).inc()
            log_event("refused", reason=refused.reason, status=refused.status)
            page = ""
            if refused.reason == "identity" and came.is_page and self._login is not None:
                query = scope["query_string"].decode("latin-1")
                page = build_log_in_page(
                    self._login.providers, check_way_back(came.path + (f"?{query}" if query else ""))
                )
            await answer(refused, scope, receive, send, page)
        finally:
            if counted:
                self._open.leave(came.host)

    def _look_at(self, scope: Scope) -> Came:
        connection = HTTPConnection(scope)
        path = scope["path"]
        base = make_url_path(self._base, "")
        if self._base and path.startswith(base):
            path = "/" + path.removeprefix(base).lstrip("/")
        host = name_neighbourhood(connection.client.host if connection.client else "")
        is_page = scope["type"] == "http" and "text/html" in connection.headers.get("accept", "")
        return Came(path, host, connection.headers, connection, is_page)

    def _check_host(self, came: Came) -> None:
        if came.path not in (LIVE, READY) and not is_host_allowed(came.headers.get("host")):
            raise Refused(
                400,
                "host",
                "This server does not go by that name. Whoever runs it adds names that it may be called by: "
                "--server.allowedHosts, see SECURITY.md.",
            )

    def _check_sender(self, came: Came, scope: Scope) -> None:
        if scope["type"] == "http" and scope["method"] not in _METHODS:
            raise Refused(405, "method", "That cannot be done here.")
        if came.path in _COUNTS:
            self._check_reader(came)
        elif came.path in _LOG_INS:
            if self._shared and not self._log_ins.take(came.host):
                raise Refused(429, "logins", "Too many log-ins from your address. Wait a minute, and try again.")
            if came.path == LOG_OUT and self._login is not None and self._ended is not None:
                leaving = self._login.identify(came.connection.cookies)
                if leaving is not None:
                    self._ended.add(leaving)  # or a copy of the cookie would hold on
        elif self._login is not None and came.path not in _OPEN and not came.path.startswith(_OPEN_FOLDERS):
            claims = self._login.identify(came.connection.cookies)
            if claims is None or (self._ended is not None and self._ended.has(claims)):
                raise Refused(401, "identity", "Log in first: open the first page of this server in your browser.")
            if not self._may_have(claims, came.path):
                raise Refused(403, "owner", "This is somebody else's.")
            if came.path.startswith(UPLOADS):
                session = came.path.removeprefix(UPLOADS).partition("/")[0]
                if self._count_windows(claims, session) >= self._settings.sessions_a_person:
                    raise Refused(429, "sessions", "You have too many windows of this server open. Close one first.")
            if scope["type"] == "websocket" and "origin" not in came.headers:
                raise Refused(403, "origin", "Only a browser's pages may connect here.")

    def _check_reader(self, came: Came) -> None:
        """The metrics are for this machine, or for who has the token."""
        token = self._settings.metrics_token
        if token is not None:
            given = came.headers.get("authorization", "").encode("latin-1", "replace")
            allowed = compare_digest(given, f"Bearer {token.get_secret_value()}".encode("latin-1", "replace"))
        else:
            allowed = is_loopback(came.host) and not any(name in came.headers for name in _FORWARDED)
        if not allowed:
            raise Refused(403, "metrics", "Metrics are for the machine itself, or for who has CAMSCOPE_METRICS_TOKEN.")

    async def _let_in(self, came: Came, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._open_page(scope, receive, send)
        elif wanted := self._find_way_back(came):
            back = RedirectResponse(make_url_path(self._base, wanted), 302)
            back.delete_cookie(WAY_BACK)
            await back(scope, receive, send)
        elif scope["method"] == HTTPMethod.PUT and came.path.startswith(UPLOADS):
            await self._take_upload(came, scope, receive, send)
        else:
            length = read_length(came.headers.get("content-length"))
            if (length or 0) > _MOST_ELSEWHERE:
                raise Refused(413, "size", "This is larger than what may be sent here.")
            body = Body(receive, length, _MOST_ELSEWHERE)
            body.over = not length and "transfer-encoding" not in came.headers
            await self._pass_on(body, scope, send)

    def _find_way_back(self, came: Came) -> str:
        """What somebody asked for before they logged in; empty where nobody comes back from that."""
        if self._login is None or not came.is_page or came.path != "/":
            return ""
        return check_way_back(unquote(came.connection.cookies.get(WAY_BACK, "")))

    async def _open_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        sessions = find_metrics().sessions
        sessions.inc()
        log_event("page opened")
        try:
            await self._app(scope, receive, send)
        finally:
            sessions.dec()
            log_event("page closed")

    async def _take_upload(self, came: Came, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a file in, if its session may have it; what came of one that is refused is not kept."""
        session, _, file = came.path.removeprefix(UPLOADS).partition("/")
        if len(session) > _LONGEST_SESSION:
            raise Refused(400, "name", "There is no such page.")
        most = int(config.get_option("server.maxUploadSize")) * _MEGABYTE + _MEGABYTE  # what is wrapped round a file
        length = read_length(came.headers.get("content-length"))
        if length is not None and length > most:
            raise Refused(413, "size", "This file is larger than what may be sent here.")
        if self._shared and not (self._uploads.take(session) and self._has_room(session, length or 0)):
            raise Refused(429, "uploads", MANY_UPLOADS)
        coming = 0

        def take(size: int) -> bool:
            nonlocal coming
            if not (self._has_room(session, size) and self._bytes.take(session, size)):
                return False
            self._coming[session] += size
            coming += size
            return True

        body = Body(receive, length, most, take if self._shared else lambda _: True)
        try:
            await self._pass_on(body, scope, send, lambda: self._check_name(session, file))
        finally:
            self._coming[session] -= coming
            if not self._coming[session]:
                del self._coming[session]
        if body.refused is None:
            find_metrics().upload_bytes.observe(body.size)
            log_event("upload", session, bytes=body.size)

    def _has_room(self, session: str, size: int) -> bool:
        """Whether a session may hold so many more bytes, beside what it holds and what is on its way."""
        held = sum(len(one.data) for one in list(self._files().get(session, {}).values()))
        return held + self._coming[session] + size <= self._settings.upload_mb_a_session * _MEGABYTE

    def _check_name(self, session: str, file: str) -> None:
        """Refuse a file by its name, once it is there, and forget it before anybody sees it."""
        files = self._files().get(session, {})
        if file in files and not is_safe_name(files[file].name):
            del files[file]
            raise Refused(400, "name", "This file's name leads elsewhere, or holds signs that no name has. Rename it.")

    async def _pass_on(self, body: Body, scope: Scope, send: Send, check: Callable[[], None] = lambda: None) -> None:
        """Ask what is behind, until the body turns out to be too much.

        Raises:
            Refused: it was too much, or `check` does not like what came of it. Nothing was answered then.
        """
        answered = False

        async def send_on(message: Message) -> None:
            nonlocal answered
            if body.refused is not None and not answered:
                raise body.refused
            if message["type"] == "http.response.start":
                check()
                answered = True
                if not body.over:  # whatever is still on its way would be taken, and thrown away
                    MutableHeaders(raw=message.setdefault("headers", []))["Connection"] = "close"
            await send(message)

        try:
            await self._app(scope, body.receive, send_on)
        except Exception:
            if body.refused is None or answered:
                raise
        if body.refused is not None and not answered:
            raise body.refused


def _find_files() -> MutableMapping[str, Any]:
    """Streamlit's uploads, by session and file; as long as it keeps them there."""
    return getattr(runtime.get_instance().uploaded_file_mgr, "file_storage", {}) if runtime.exists() else {}
