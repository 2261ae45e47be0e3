"""Whose a session, an upload or a picture of it is: Streamlit lets anybody have them who knows their address.

It has no way to ask for that but its own books, which are read here and never written. Downloads that are made on a
click stand in none of them: of these a book is kept here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from streamlit import runtime
from streamlit.runtime.media_file_manager import MediaFileManager

from components.server.doors import stand_before

UPLOADS, MEDIA = "/_stcore/upload_file/", "/media/"

_BOOKS = "_files_by_session_and_coord"  # of media: by session and place on the page, the file
_DOOR = "execute_deferred"

_made: dict[str, set[str]] = {}  # of downloads that were made on a click, by file the sessions

_log = logging.getLogger(__name__)


def find_session_manager() -> Any:
    """Streamlit's manager of sessions; None where there is none."""
    return getattr(runtime.get_instance(), "_session_mgr", None) if runtime.exists() else None


def keep_book_of_downloads() -> bool:
    """From now on know whose a download is that is made on a click. Once for the server's life.

    Returns:
        Whether that could be done.
    """
    there = "_deferred_callables" in MediaFileManager.__init__.__code__.co_names
    if there and stand_before(MediaFileManager, _DOOR, _make_and_keep):
        return True
    _log.warning("Streamlit makes downloads elsewhere now: who knows the address of one may have it")
    return False


def _make_and_keep(make: Callable[..., str], self: MediaFileManager, file_id: str) -> str:
    entry = self._deferred_callables.get(file_id)
    address = make(self, file_id)
    if entry is not None:
        for gone in [file for file in list(_made) if file not in self._file_metadata]:
            _made.pop(gone, None)
        _made.setdefault(_name_file(address), set()).add(entry["session_id"])
    return address


def name_person(claims: Mapping[str, Any]) -> tuple[str, str] | None:
    """What stands for a person: who says so, and their name there. None for nobody."""
    subject = claims.get("sub")
    return (str(claims.get("iss", "")), str(subject)) if subject else None


def may_have(claims: Mapping[str, Any], path: str) -> bool:
    """Whether this person may ask for an address: uploads into their own sessions, and pictures that are on their own
    page, or in nobody's book: while a page is drawn anew, what was on it before is in none.

    Args:
        path: below the address at which the dashboard is served.
    """
    if path.startswith(UPLOADS):
        return _is_session_of(claims, path.removeprefix(UPLOADS).partition("/")[0])
    if path.startswith(MEDIA):
        having = _list_having(_name_file(path))
        return not having or any(_is_session_of(claims, session) for session in having)
    return True


def count_windows_before(claims: Mapping[str, Any], session: str) -> int:
    """How many windows this person had opened before that of a session, and has open still. Who has left, as by
    reloading, is in none of them, although Streamlit keeps the session for a while.
    """
    manager = find_session_manager()
    person, count = name_person(claims), 0
    for info in manager.list_active_sessions() if manager is not None else ():
        if info.session.id == session:
            return count
        count += person is not None and name_person(getattr(info.session, "_user_info", {})) == person
    return 0  # it is none of those that are open: whoever asks whether it is, refuses it


def _is_session_of(claims: Mapping[str, Any], session: str) -> bool:
    manager = find_session_manager()
    info = manager.get_session_info(session) if manager is not None else None
    person = name_person(claims)
    return info is not None and person is not None and name_person(getattr(info.session, "_user_info", {})) == person


def _list_having(file: str) -> list[str]:
    """The sessions that have a picture or a download on their page, or made it."""
    books = getattr(runtime.get_instance().media_file_mgr, _BOOKS, {}) if runtime.exists() else {}
    shown = [session for session, files in dict(books).items() if file in list(files.values())]
    return [*shown, *_made.get(file, ())]


def _name_file(address: str) -> str:
    """A file as the books name it, without its ending."""
    return address.rpartition("/")[2].partition(".")[0]
