"""How the secrets are read, and who an identity cookie is of; the door's attacks are in `test_guard.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit import config
from streamlit.runtime.secrets import secrets_singleton

from components.server.login import build_login, is_loopback, is_shared, read_login
from components.server.settings import ServerSettings
from explain.errors import ExplainError
from tests.support.server import AUTH, NAME, make_identity, make_login, sign


def test_what_the_secrets_say() -> None:
    login = build_login(AUTH | {"keycloak": {"client_id": "x"}, "other": {"title": "none"}}, 8)
    assert login.providers == ("default", "keycloak")
    assert (login.origin, login.host) == ("https://camscope.hospital", "camscope.hospital")
    assert AUTH["cookie_secret"] not in repr(login)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"redirect_uri": ""}, "redirect_uri"),
        ({"redirect_uri": "camscope.hospital/oauth2callback"}, "redirect_uri"),
        ({"redirect_uri": "javascript://x"}, "redirect_uri"),
        ({"cookie_secret": ""}, "cookie_secret"),
        ({"cookie_secret": "x" * 31}, "cookie_secret"),
        ({"client_id": None}, "client_id"),
    ],
)
def test_secrets_that_would_let_anybody_in_are_refused(changed: dict[str, Any], words: str) -> None:
    auth = {key: value for key, value in (AUTH | changed).items() if value is not None}
    with pytest.raises(ExplainError, match=words):
        build_login(auth, 8)


def test_an_identity_holds_for_its_hours() -> None:
    cookies = {NAME: sign(make_identity(), age=3 * 3600)}
    assert make_login(hours=4).identify(cookies) == make_identity()
    assert make_login(hours=2).identify(cookies) is None


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A file of secrets, which is forgotten afterwards."""
    path = tmp_path / "secrets.toml"
    before = config.get_option("secrets.files")
    config.set_option("secrets.files", [str(path)])
    secrets_singleton._reset()
    yield path
    config.set_option("secrets.files", before)
    secrets_singleton._reset()


def test_secrets_are_read_where_there_are_some(secrets: Path) -> None:
    assert read_login(ServerSettings()) is None
    secrets.write_text('[other]\na = "b"\n')
    assert read_login(ServerSettings()) is None
    secrets_singleton._reset()
    secrets.write_text("[auth]\n" + "".join(f'{key} = "{value}"\n' for key, value in AUTH.items()))
    login = read_login(ServerSettings(login_hours=3))
    assert login is not None and (login.providers, login.hours) == (("default",), 3)


def test_secrets_that_cannot_be_read_let_nobody_in(secrets: Path) -> None:
    secrets.write_text("[auth\n")
    with pytest.raises(ExplainError, match="cannot be read"):
        read_login(ServerSettings())
    secrets.unlink()
    secrets.mkdir()  # for which a system has another word than for another account's file
    with pytest.raises(ExplainError, match="cannot be read: Is a directory"):
        read_login(ServerSettings())


@pytest.mark.parametrize(
    ("shared", "address", "login", "expected"),
    [
        ("auto", "localhost", False, False),
        ("auto", "127.0.0.1", False, False),
        ("auto", "localhost", True, True),
        ("auto", "0.0.0.0", False, True),
        ("auto", "", False, True),
        ("no", "0.0.0.0", True, False),
        ("yes", "localhost", False, True),
    ],
)
def test_a_server_is_shared_where_others_come(shared: Any, address: str, login: bool, expected: bool) -> None:
    before = config.get_option("server.address")
    config.set_option("server.address", address)
    try:
        assert is_shared(ServerSettings(shared=shared), make_login() if login else None) == expected
    finally:
        config.set_option("server.address", before)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_which_addresses_are_of_this_machine(host: str, own: bool) -> None:
    assert is_loopback(host) == own
