"""How long a session waits for its browser when the line drops."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import streamlit as st
from streamlit import runtime
from streamlit.runtime.memory_session_storage import MemorySessionStorage

from components.server.login import is_shared, read_login
from components.server.owners import find_session_manager
from components.server.settings import read_server_settings
from explain.engine.quotas import read_quotas

SECONDS_KEPT = 15 * 60
"""A lid is closed, a train goes through a tunnel, a proxy gives up: Streamlit's own two minutes are over by then, and
with the session its pictures and its model are gone."""

_SESSIONS_KEPT = 32  # at most, of those without a browser: each may hold pictures; Streamlit keeps 128

_log = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)
def keep_sessions() -> bool:
    """Let sessions wait longer than Streamlit does, which has no option for it. Once for the server's life.

    Returns:
        Whether that could be done.
    """
    manager = find_session_manager()
    storage = getattr(manager, "_session_storage", None)
    if not isinstance(storage, MemorySessionStorage):
        if runtime.exists():
            _log.warning(
                "Streamlit keeps its sessions elsewhere now: those without a browser are given up as it sees fit"
            )
        return False
    longer = MemorySessionStorage(_SESSIONS_KEPT, _find_patience())
    for waiting in storage.list():
        longer.save(waiting)
    manager._session_storage = longer
    return True


def end_lost_sessions() -> bool:
    """End the sessions whose browser has not come back in time. Streamlit hides them then, and goes on holding them
    until another session's browser leaves.

    Returns:
        Whether there were any.
    """
    manager = find_session_manager()
    storage = getattr(manager, "_session_storage", None)
    if not isinstance(storage, MemorySessionStorage):
        return False
    with manager._storage_lock:  # nobody comes back to one meanwhile
        lost = storage._cache.expire()  # type: ignore[attr-defined]
    for _, info in lost:
        info.session.shutdown()
        # Streamlit's loop remembers the last session it sent anything to, until there is another.
        info.session._fragment_storage.clear()
        info.session.session_state.clear()
    return bool(lost)


def draw_again(sessions: Iterable[str]) -> None:
    """Have the pages of some sessions made anew, so that they show what there is. What was shown before is in
    Streamlit's hands as long as the page stands: pictures, downloads, and all that parts which run by themselves know.
    One without a browser has no page, and ends soon.
    """
    manager = find_session_manager()
    for session in sessions:
        info = manager.get_active_session_info(session) if manager is not None else None
        if info is not None:
            info.session.request_rerun(info.session._client_state)


def _find_patience() -> int:
    """Seconds that a session waits: on a server that others use no longer than its pictures would."""
    settings = read_server_settings()
    shared = is_shared(settings, read_login(settings))
    return min(SECONDS_KEPT, int(read_quotas().idle_pictures_seconds)) if shared else SECONDS_KEPT
