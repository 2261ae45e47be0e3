"""How long a session waits for its browser when the line drops."""

from __future__ import annotations

import logging

import streamlit as st
from streamlit import runtime
from streamlit.runtime.memory_session_storage import MemorySessionStorage

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
    if not runtime.exists():
        return False
    manager = getattr(runtime.get_instance(), "_session_mgr", None)
    storage = getattr(manager, "_session_storage", None)
    if not isinstance(storage, MemorySessionStorage):
        _log.warning("Streamlit keeps its sessions elsewhere now: those without a browser are given up as it sees fit")
        return False
    longer = MemorySessionStorage(_SESSIONS_KEPT, SECONDS_KEPT)
    for waiting in storage.list():
        longer.save(waiting)
    manager._session_storage = longer  # type: ignore[union-attr]
    return True
