"""A session waits for its browser longer than Streamlit lets it."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit import runtime
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.caching.ttl_cache import TTLCache
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.runtime import Runtime
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

from components.session import reconnect
from components.session.reconnect import SECONDS_KEPT, draw_again, end_lost_sessions, keep_sessions


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


@pytest.mark.parametrize(("shared", "idle", "kept"), [(False, 60, 900), (True, 60, 60), (True, 1200, 900)])
def test_where_others_wait_for_room_no_session_waits_longer_than_its_pictures(
    shared: bool, idle: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnect, "is_shared", lambda *_: shared)
    monkeypatch.setattr(reconnect, "read_quotas", lambda: SimpleNamespace(idle_pictures_seconds=float(idle)))
    manager = SimpleNamespace(_session_storage=MemorySessionStorage())
    pretend(monkeypatch, manager)
    assert keep_sessions()
    assert manager._session_storage._cache.ttl == kept


def test_a_session_ends_though_nobody_else_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    storage, ended, sessions = MemorySessionStorage(ttl_seconds=900), [], []
    now = [0.0]
    storage._cache = TTLCache(maxsize=8, ttl=900, timer=lambda: now[0])
    pretend(monkeypatch, SimpleNamespace(_session_storage=storage, _storage_lock=threading.Lock()))
    for name, when in (("early", 0.0), ("late", 600.0)):
        now[0] = when
        session: Any = SimpleNamespace(
            id=name,
            shutdown=lambda name=name: ended.append(name),
            _fragment_storage={"part": "its picture"},
            session_state={"tray": "its picture"},
        )
        sessions.append(session)
        storage.save(SimpleNamespace(session=session))  # type: ignore[arg-type]
    now[0] = 899.0
    assert not end_lost_sessions() and not ended
    now[0] = 901.0
    assert end_lost_sessions() and ended == ["early"] and storage.get("late") is not None
    held = [(session._fragment_storage, session.session_state) for session in sessions]
    assert held == [({}, {}), ({"part": "its picture"}, {"tray": "its picture"})]
    monkeypatch.setattr(runtime, "exists", lambda: False)
    assert not end_lost_sessions()


def test_pages_are_drawn_again_where_there_is_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    session = SimpleNamespace(request_rerun=asked.append, _client_state="as it was")
    there = {"here": SimpleNamespace(session=session)}
    pretend(monkeypatch, SimpleNamespace(get_active_session_info=there.get))
    draw_again(["here", "gone"])
    assert asked == ["as it was"]


def test_this_streamlit_keeps_its_sessions_where_they_are_looked_for() -> None:
    assert "_session_mgr" in Runtime.__init__.__code__.co_names
    assert "_session_storage" in WebsocketSessionManager.__init__.__code__.co_names
    assert "_storage_lock" in WebsocketSessionManager.__init__.__code__.co_names
    assert {"_client_state", "_fragment_storage"} <= {*AppSession.__init__.__code__.co_names}
    assert isinstance(MemorySessionStorage()._cache, TTLCache)
