"""A server that would be open by mistake does not start. One that runs is tried in `tests/browser/test_server.py`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamlit import config

from components.server import start
from components.server.guard import Guard
from components.server.login import Login
from components.server.settings import ServerSettings, read_server_settings
from explain.errors import ExplainError
from tests.support.server import make_login, run


@pytest.fixture(autouse=True)
def hosts() -> Iterator[None]:
    before = config.get_option("server.allowedHosts")
    config.set_option("server.allowedHosts", ["localhost"])
    read_server_settings.cache_clear()
    yield
    read_server_settings.cache_clear()
    config.set_option("server.allowedHosts", before)


def test_wrong_settings_and_wrong_secrets_keep_it_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: ServerSettings) -> Login:
        raise ExplainError("secrets.toml cannot be read.")

    monkeypatch.setattr(start, "read_login", refuse)
    with pytest.raises(SystemExit, match=r"^CAMscope does not start\. secrets\.toml cannot be read\.$"):
        start.list_middleware()
    read_server_settings.cache_clear()
    monkeypatch.setenv("CAMSCOPE_CONNECTIONS", "many")
    with pytest.raises(SystemExit, match="CAMSCOPE_CONNECTIONS cannot be “many”"):
        start.list_middleware()


@pytest.mark.parametrize(
    ("login", "allowed"), [(None, ["localhost"]), (make_login(), ["localhost", "camscope.hospital"])]
)
def test_the_name_that_people_type_is_allowed_of_itself(
    monkeypatch: pytest.MonkeyPatch, login: Login | None, allowed: list[str]
) -> None:
    monkeypatch.setattr(start, "read_login", lambda _: login)
    (middleware,) = start.list_middleware()
    assert middleware.cls is Guard
    assert config.get_option("server.allowedHosts") == allowed
    start.list_middleware()
    assert config.get_option("server.allowedHosts") == allowed, "once"


def test_who_breaks_down_leaves_no_pictures_on_a_disk() -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_CORE)
    if before[1] == 0:
        pytest.skip("Nothing may leave a dump here.")
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))

    async def look() -> None:
        async with start.serve(lambda: None):
            assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0

    try:
        run(look())
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def test_none_named_is_all_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    config.set_option("server.allowedHosts", [])
    monkeypatch.setattr(start, "read_login", lambda _: make_login())
    start.list_middleware()
    assert config.get_option("server.allowedHosts") == []
