"""Whether people log in here, and who a request comes from: Streamlit's identity cookie, its signature verified.

Streamlit looks at the cookie only when a page is opened: uploads and media are anybody's, as far as it is concerned. It
is signed and not encrypted, and its signature holds its time, so that a log-in can end before Streamlit's 30 days do.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from streamlit import config
from streamlit.auth_util import get_cookie_with_chunks
from streamlit.runtime.secrets import secrets_singleton
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from components.server.settings import ServerSettings
from explain.errors import ExplainError

_LEAST_SECRET = 32  # characters: shorter ones can be tried out on a cookie at home
_WITHOUT_NAME = "default"  # Streamlit's name for a provider that stands in [auth] itself


@dataclass(frozen=True)
class Login:
    """What `[auth]` in Streamlit's secrets says.

    Attributes:
        secret: signs the cookies.
        providers: by Streamlit's names for them.
        origin: of the address that people type, like `https://camscope.hospital`.
        hours: how long a log-in holds.
    """

    secret: str = field(repr=False)
    providers: tuple[str, ...]
    origin: str
    hours: float

    @property
    def host(self) -> str:
        """The name in the address that people type."""
        return urlsplit(self.origin).hostname or ""

    def identify(self, cookies: Mapping[str, str]) -> Mapping[str, Any] | None:
        """What the provider said of the person; None for cookies that are missing, forged, too old, or no identity."""

        def verify(name: str) -> bytes | None:
            value = cookies.get(name, "")
            return decode_signed_value(self.secret, name, value.encode("latin-1", "replace"), self.hours / 24)

        try:
            claims = json.loads(get_cookie_with_chunks(verify, USER_COOKIE_NAME) or b"null")
        except ValueError:
            return None
        known = isinstance(claims, dict) and claims.get("is_logged_in") is True and claims.get("origin") == self.origin
        return claims if known else None


def read_login(settings: ServerSettings) -> Login | None:
    """What the secrets say of logging in; None where nobody has to.

    Raises:
        ExplainError: they are there and cannot be read, or would let people in who do not belong.
    """
    try:
        there = secrets_singleton.load_if_toml_exists()
    except OSError as error:  # left to itself, Streamlit takes it for a port that others use
        raise ExplainError(
            f"secrets.toml cannot be read: {error.strerror}. Make it a file that the account which runs CAMscope may "
            "read, or take it away: nobody is let in meanwhile."
        ) from None
    if not there:
        # Streamlit goes on without secrets that it cannot read, and everybody would be let in.
        if any(Path(path).exists() for path in config.get_option("secrets.files")):
            raise ExplainError("secrets.toml cannot be read. Mend it, or take it away: nobody is let in meanwhile.")
        return None
    auth = secrets_singleton.get("auth")
    return None if auth is None else build_login(auth, settings.login_hours)


def build_login(auth: Mapping[str, Any], hours: float) -> Login:
    """The log-in that `[auth]` describes.

    Raises:
        ExplainError: something is missing, or the secret is too short to be one.
    """
    address = urlsplit(str(auth.get("redirect_uri", "")))
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ExplainError("[auth] in secrets.toml needs redirect_uri: the address people type, and /oauth2callback.")
    secret = str(auth.get("cookie_secret", ""))
    if len(secret) < _LEAST_SECRET:
        raise ExplainError(
            f"[auth] in secrets.toml needs a cookie_secret of at least {_LEAST_SECRET} characters, drawn at random: "
            '`python -c "import secrets; print(secrets.token_hex())"` prints one.'
        )
    named = [name for name, part in auth.items() if isinstance(part, Mapping) and "client_id" in part]
    providers = ([_WITHOUT_NAME] if "client_id" in auth else []) + named
    if not providers:
        raise ExplainError("[auth] in secrets.toml names no provider: client_id is missing.")
    return Login(secret, tuple(providers), f"{address.scheme}://{address.netloc}", hours)


def is_shared(settings: ServerSettings, login: Login | None) -> bool:
    """Whether the server is for more than the person in front of it, so that limits hold and events are logged."""
    if settings.shared != "auto":
        return settings.shared == "yes"
    return login is not None or not is_loopback(config.get_option("server.address") or "")


def is_loopback(host: str) -> bool:
    """Whether an address or a name is this machine's own, and no other machine's way to it."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
