"""What the environment may set of a server, and what is said of what it cannot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from components.server.settings import ServerSettings, read_server_settings
from explain.errors import ExplainError
from explain.settings import PREFIX


@pytest.fixture(autouse=True)
def forget() -> None:
    read_server_settings.cache_clear()


def test_the_environment_sets_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_LOGIN_HOURS", " 2.5 ")
    monkeypatch.setenv("CAMSCOPE_SHARED", "yes")
    monkeypatch.setenv("CAMSCOPE_CONNECTIONS", "")
    monkeypatch.setenv("CAMSCOPE_METRICS_TOKEN", "abc")
    settings = read_server_settings()
    assert (settings.login_hours, settings.shared, settings.connections) == (2.5, "yes", 200)
    assert "abc" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SHARED", "maybe", "input should be 'auto', 'yes' or 'no'"),
        ("CONNECTIONS", "0", "input should be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_set_is_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(
        ExplainError, match=f"CAMSCOPE_{name} cannot be “{value}”: {reason}. Change it, or leave it out."
    ):
        read_server_settings()


def test_every_setting_is_declared_with_its_words() -> None:
    for name, field in ServerSettings.model_fields.items():
        assert field.title and field.description, name


def test_the_page_for_those_who_run_a_server_lists_every_setting() -> None:
    page = (Path(__file__).resolve().parents[3] / "SECURITY.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `CAMSCOPE_(\w+)` \| (.*) \|$", page, re.MULTILINE)
    assert [name.lower() for name, _ in listed] == list(ServerSettings.model_fields)
    for name, words in listed:
        default = ServerSettings.model_fields[name.lower()].default
        assert not isinstance(default, (int, float)) or words.endswith(f": {default:g}"), name
