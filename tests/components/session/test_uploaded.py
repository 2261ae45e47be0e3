"""Uploaded files are held once, and by us."""

from types import SimpleNamespace

import pytest
from streamlit.elements.widgets.file_uploader import DeletedFile
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec

from components.session import uploaded
from components.session.uploaded import take_over


def test_the_server_forgets_what_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = MemoryUploadedFileManager("/upload")
    files = []
    for name in ("a.png", "b.png", "other.png"):
        record = UploadedFileRec(file_id=name[0], name=name, type="image/png", data=name.encode())
        manager.add_file("ann", record)
        files.append(UploadedFile(record, FileURLs()))
    manager.add_file("bob", record)
    context = SimpleNamespace(session_id="ann", uploaded_file_mgr=manager)
    monkeypatch.setattr(uploaded, "get_script_run_ctx", lambda **_: context)
    assert take_over([*files[:2], DeletedFile("c")]) == [("a.png", b"a.png"), ("b.png", b"b.png")]
    assert {who: list(held) for who, held in manager.file_storage.items()} == {"ann": ["o"], "bob": ["o"]}
    context.uploaded_file_mgr = object()
    assert take_over(files[2:]) == [("other.png", b"other.png")], "what keeps them elsewhere is left alone"
