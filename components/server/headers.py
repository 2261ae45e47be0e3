"""What browsers are told with every answer: what a page may load, who may frame it, what it may use."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send
from streamlit.file_util import get_static_dir

_INLINE = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)


def hash_scripts(page: str) -> list[str]:
    """The scripts that stand in a page itself, as a policy names them."""
    digests = [hashlib.sha256(script.encode()).digest() for script in _INLINE.findall(page)]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


@cache
def build_policy() -> str:
    """The content security policy. Its hashes are of the scripts in the very page that Streamlit serves.

    `blob:` is where Streamlit loads the scripts of components from, and where pictures are that a script made. Styles
    stand in attributes everywhere.
    """
    page = (Path(get_static_dir()) / "index.html").read_text(encoding="utf-8")
    rules = {
        "default-src": ["'self'"],
        "script-src": ["'self'", "blob:", *hash_scripts(page)],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "worker-src": ["'self'", "blob:"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'self'"],
        "object-src": ["'none'"],
        "form-action": ["'self'"],
    }
    return "; ".join(f"{name} {' '.join(allowed)}" for name, allowed in rules.items())


def with_headers(send: Send, *, secure: bool, keep: bool) -> Send:
    """Send answers with what browsers are to be told.

    Args:
        send: of the server.
        secure: people come by HTTPS, so that cookies go no other way; Streamlit does not know of a proxy's.
        keep: browsers may keep the answer; one with somebody's picture may not lie on a shared desk's disk.
    """

    async def send_with_headers(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            headers["Content-Security-Policy"] = build_policy()
            headers["X-Content-Type-Options"] = "nosniff"
            headers["X-Frame-Options"] = "DENY"  # for browsers that do not know frame-ancestors
            headers["Referrer-Policy"] = "no-referrer"
            headers["Permissions-Policy"] = "camera=(self), microphone=(), geolocation=(), usb=(), payment=()"
            if not keep:
                headers["Cache-Control"] = "no-store"
            if secure:
                message["headers"] = [_secure(name, value) for name, value in message["headers"]]
        await send(message)

    return send_with_headers


def _secure(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    plain = name.lower() == b"set-cookie" and b"; secure" not in value.lower()
    return (name, value + b"; Secure") if plain else (name, value)
