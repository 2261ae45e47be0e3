"""A session waits for its browser longer than Streamlit lets it."""

from types import SimpleNamespace
from typing import Any

import pytest
from streamlit import runtime
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.runtime import Runtime
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

from components.session.reconnect import SECONDS_KEPT, keep_sessions


def pretend(monkeypatch: pytest.MonkeyPatch, manager: Any) -> None:
    monkeypatch.setattr(runtime, "exists", lambda: True)
    monkeypatch.setattr(runtime, "get_instance", lambda: SimpleNamespace(_session_mgr=manager))
    keep_sessions.clear()


def test_sessions_that_wait_go_on_waiting_and_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    before = MemorySessionStorage()
    waiting: Any = SimpleNamespace(session=SimpleNamespace(id="one"))
    before.save(waiting)
    manager = SimpleNamespace(_session_storage=before)
    pretend(monkeypatch, manager)
    assert keep_sessions()
    storage = manager._session_storage
    assert storage is not before and storage.get("one") is waiting
    assert storage._cache.ttl == SECONDS_KEPT >= 10 * 60
    assert keep_sessions() and manager._session_storage is storage


def test_another_streamlit_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = SimpleNamespace(_session_storage=object())
    pretend(monkeypatch, manager)
    assert not keep_sessions()
    monkeypatch.setattr(runtime, "exists", lambda: False)
    keep_sessions.clear()
    assert not keep_sessions()


def test_this_streamlit_keeps_its_sessions_where_they_are_looked_for() -> None:
    assert "_session_mgr" in Runtime.__init__.__code__.co_names
    assert "_session_storage" in WebsocketSessionManager.__init__.__code__.co_names
