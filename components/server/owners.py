"""Whose a session, an upload or a picture of it is: Streamlit lets anybody have them who knows their address.

It has no way to ask for that but its own books, which are read here and never written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamlit import runtime

UPLOADS, MEDIA = "/_stcore/upload_file/", "/media/"

_BOOKS = "_files_by_session_and_coord"  # of media: by session and place on the page, the file


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
        having = _list_having(path.removeprefix(MEDIA).partition(".")[0])
        return not having or any(_is_session_of(claims, session) for session in having)
    return True


def _is_session_of(claims: Mapping[str, Any], session: str) -> bool:
    manager = getattr(runtime.get_instance(), "_session_mgr", None) if runtime.exists() else None
    info = manager.get_session_info(session) if manager is not None else None
    person = name_person(claims)
    return info is not None and person is not None and name_person(getattr(info.session, "_user_info", {})) == person


def _list_having(file: str) -> list[str]:
    """The sessions that have a picture or a download on their page."""
    books = getattr(runtime.get_instance().media_file_mgr, _BOOKS, {}) if runtime.exists() else {}
    return [session for session, files in dict(books).items() if file in list(files.values())]
