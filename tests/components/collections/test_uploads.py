"""An upload is read once, whatever is pressed beside it."""

from __future__ import annotations

import pytest

from components.collections import uploads
from explain.errors import DataSetError


def test_what_was_given_is_read_until_something_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads.st, "session_state", {})
    times: list[str] = []

    def read() -> str:
        times.append("read")
        return f"found {len(times)}"

    def refuse() -> str:
        raise DataSetError("It has no region.")

    assert [uploads.read_once("kept", id, read) for id in ("a", "a", "b", "b")] == ["found 1"] * 2 + ["found 2"] * 2
    assert uploads.read_once("kept", "c", refuse) == uploads.read_once("kept", "c", read) == "It has no region."
    assert len(times) == 2
