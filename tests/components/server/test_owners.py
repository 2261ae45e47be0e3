"""Nobody has what is another's, even who knows its address."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from streamlit import runtime
from streamlit.runtime import media_file_manager, websocket_session_manager
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

from components.server import owners
from components.server.owners import count_windows_before, may_have, name_person
from tests.support.server import NAME, UPLOAD, Behind, guard, make_identity, make_login, sign, visit

ANN, BEN = make_identity(), make_identity(sub="ben")
OTHER_ANN = make_identity(iss="another provider")


@pytest.fixture(autouse=True)
def books(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """Ann and Ben have a session each; what is on their pages."""
    sessions = {
        name: SimpleNamespace(session=SimpleNamespace(_user_info=who)) for name, who in (("a", ANN), ("b", BEN))
    }
    sessions["nobody"] = SimpleNamespace(session=SimpleNamespace(_user_info={}))
    media = MediaFileManager(MemoryMediaFileStorage("/media"))
    books: dict[str, dict[str, str]] = {"a": {"1": "of-ann", "2": "of-both"}, "b": {"1": "of-both"}}
    media._files_by_session_and_coord.update(books)
    instance = SimpleNamespace(_session_mgr=SimpleNamespace(get_session_info=sessions.get), media_file_mgr=media)
    monkeypatch.setattr(runtime, "exists", lambda: True)
    monkeypatch.setattr(runtime, "get_instance", lambda: instance)
    return books


@pytest.mark.parametrize(
    ("who", "path", "allowed"),
    [
        (ANN, "/_stcore/upload_file/a/1", True),
        (BEN, "/_stcore/upload_file/a/1", False),
        (OTHER_ANN, "/_stcore/upload_file/a/1", False),
        (ANN, "/_stcore/upload_file/no-session/1", False),
        ({}, "/_stcore/upload_file/nobody/1", False),
        (ANN, "/media/of-ann.png", True),
        (BEN, "/media/of-ann.png", False),
        (BEN, "/media/of-both.png", True),
        (BEN, "/media/in-no-book.png", True),
        (BEN, "/layers", True),
    ],
)
def test_a_person_has_what_is_theirs(who: dict[str, Any], path: str, allowed: bool) -> None:
    assert may_have(who, path) == allowed


def test_a_download_is_theirs_who_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those made on a click stand in no book of Streamlit's. The same bytes may be made by several."""
    monkeypatch.setattr(MediaFileManager, "execute_deferred", MediaFileManager.execute_deferred)
    monkeypatch.setattr(owners, "_made", {})
    assert owners.keep_book_of_downloads() and owners.keep_book_of_downloads()
    media = runtime.get_instance().media_file_mgr

    def make(session: str, data: bytes) -> str:
        monkeypatch.setattr(media_file_manager, "_get_session_id", lambda: session)
        return str(media.execute_deferred(media.add_deferred(lambda: data, "text/csv", "3")))

    anns, both = make("a", b"of ann"), make("a", b"of both")
    assert make("b", b"of both") == both
    assert [may_have(who, anns) for who in (ANN, BEN, OTHER_ANN)] == [True, False, False]
    assert may_have(ANN, both) and may_have(BEN, both)
    media._file_metadata.clear()
    make("b", b"another")
    assert len(owners._made) == 1, "what is no longer there is forgotten"


def test_the_door_asks() -> None:
    behind = Behind()
    behind.may_have = may_have
    with visit(guard(behind, make_login())) as client:
        for who, session, status in ((ANN, "a", 200), (BEN, "a", 403), (BEN, "b", 200)):
            headers = {"cookie": f"{NAME}={sign(who)}"}
            path = UPLOAD.replace("session-1", session)
            assert client.put(path, content=b"x", headers=headers).status_code == status
            assert client.delete(path, headers=headers).status_code == status
    assert behind.taken == 2


class Window:
    """What Streamlit's books need of a session."""

    def __init__(self, **given: Any) -> None:
        self._user_info = given["user_info"]
        self.id = f"session {id(self)}"

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> WebsocketSessionManager:
    """Streamlit's own books of sessions, of which none is open yet."""
    monkeypatch.setattr(websocket_session_manager, "AppSession", Window)
    anything: Any = SimpleNamespace(clear=lambda: None, remove_session_files=lambda _: None)
    manager = WebsocketSessionManager(MemorySessionStorage(), anything, anything, lambda: None)
    monkeypatch.setattr(runtime, "get_instance", lambda: SimpleNamespace(_session_mgr=manager))
    return manager


def test_windows_are_counted_by_person_as_long_as_they_are_open(windows: WebsocketSessionManager) -> None:
    client: Any = None

    def come(who: dict[str, Any]) -> str:
        return windows.connect_session(client, client, who)

    first, _, bens, third = come(ANN), come(OTHER_ANN), come(BEN), come(ANN)
    assert [count_windows_before(who, one) for who, one in ((ANN, first), (ANN, third), (BEN, bens))] == [0, 1, 0]
    windows.disconnect_session(first)
    assert count_windows_before(ANN, third) == 0, "who has left makes place, though Streamlit keeps the session"
    assert count_windows_before(ANN, "made up") == 0


def test_who_reloads_again_and_again_has_one_window(windows: WebsocketSessionManager) -> None:
    client: Any = None
    window = windows.connect_session(client, client, ANN)
    for _ in range(30):
        windows.disconnect_session(window)
        window = windows.connect_session(client, client, ANN)
        assert count_windows_before(ANN, window) == 0


def test_uploads_are_for_the_first_windows_of_a_person() -> None:
    before = {"session-1": 9, "session-2": 10}
    guarded = guard(login=make_login(), count_windows=lambda _, session: before[session])
    headers = {"cookie": f"{NAME}={sign(ANN)}"}
    with visit(guarded) as client:
        assert client.put(UPLOAD, content=b"x", headers=headers).status_code == 200
        refused = client.put(UPLOAD.replace("session-1", "session-2"), content=b"x", headers=headers)
    assert refused.status_code == 429 and "Close one first" in refused.text


def test_a_person_is_a_name_at_a_provider() -> None:
    assert name_person(ANN) != name_person(OTHER_ANN) and name_person({"iss": "x"}) is None


def test_this_streamlit_keeps_its_books_where_they_are_looked_for() -> None:
    assert "_user_info" in AppSession.__init__.__code__.co_names
    assert "_files_by_session_and_coord" in MediaFileManager.__init__.__code__.co_names
