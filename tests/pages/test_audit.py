"""The audit log's page: for admins alone, and it says where the log was changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from components.access.audit import Audit
from tests.support.clock import Clock
from tests.support.people import asking, make_actor

ADMIN = make_actor("audit", key="a" * 64)


def show() -> None:
    from pages.audit import show_page

    show_page()


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    """With three lines."""
    log = Audit(tmp_path)
    monkeypatch.setattr("pages.audit.find_audit", lambda: log)
    for action in ("page opened", "explain", "log-out"):
        log.write(ADMIN, action)
    return log


def test_an_admin_sees_the_last_lines_and_that_the_chain_is_whole(log: Audit) -> None:
    with asking(ADMIN):
        page = AppTest.from_function(show).run()
    assert not page.exception
    assert page.success[0].value == "3 lines follow from each other, from the first to the last."
    table = page.dataframe[0].value
    assert table["action"].tolist() == ["log-out", "explain", "page opened"] and "chain" not in table
    assert ADMIN.key not in table.to_csv()


def test_months_that_are_past_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    log = Audit(tmp_path, clock, months=1)
    monkeypatch.setattr("pages.audit.find_audit", lambda: log)
    for month in range(4):
        clock.now = month * 31 * 86_400.0
        log.write(ADMIN, "page opened")
    with asking(ADMIN):
        page = AppTest.from_function(show).run()
    assert not page.exception and not page.error
    assert "before them were deleted when their months were past" in page.success[0].value
    assert not {"before", "to", "chain"} & {*page.dataframe[0].value}


def test_a_log_that_was_changed_is_told_with_its_place(log: Audit) -> None:
    lines = log.path.read_text().splitlines()
    log.path.write_text("\n".join([lines[0], lines[2]]) + "\n")
    with asking(ADMIN):
        page = AppTest.from_function(show).run()
    assert not page.success and page.error[0].value.startswith("The log was changed: line 2 does not follow")
    assert len(page.dataframe[0].value) == 2


def test_nobody_else_sees_any_of_it(log: Audit) -> None:
    with asking(make_actor("train", "models")):
        page = AppTest.from_function(show).run()
    assert not page.exception and not page.dataframe and not page.success
    assert page.info[0].value.startswith("Your role here does not let you read the audit log.")


def test_an_empty_log_is_said_to_be_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.audit.find_audit", lambda: Audit(tmp_path / "none"))
    with asking(ADMIN):
        page = AppTest.from_function(show).run()
    assert not page.exception and page.info[0].value == "Nothing has been written yet."
