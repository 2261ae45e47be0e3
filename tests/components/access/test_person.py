"""Who a session belongs to, and that each person is alone with what they keep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.access import person
from components.access.log_ins import LogIns
from components.server.ended import Ended
from components.session.work import Work
from explain.rights import NOBODY, find_actor, may, start_asking
from explain.storage import VARIABLE, find_data_folder
from tests.support.server import make_identity

TRAINER = ["camscope-trainer"]


class Session:
    """The one that the running thread belongs to."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] | None = None


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """On a server where people log in."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    session = Session()
    log_ins = LogIns(8, 20, Ended(tmp_path / "ended", 8))
    monkeypatch.setattr(person, "find_log_ins", lambda: log_ins)
    monkeypatch.setattr(
        person,
        "get_script_run_ctx",
        lambda suppress_warning: None if session.claims is None else SimpleNamespace(user_info=session.claims),
    )
    monkeypatch.setattr(person, "read_login", lambda _: object())
    person.start_access()
    yield session
    monkeypatch.undo()
    person._logs_in = False
    start_asking(None)


def test_a_laptop_asks_for_nothing() -> None:
    person.start_access()
    assert not person.do_people_log_in() and find_actor() is None and person.press()


@pytest.mark.parametrize(
    "claims",
    [
        None,
        {},
        make_identity(),
        make_identity(groups=TRAINER, is_logged_in=False),
        make_identity(groups=TRAINER, is_logged_in="yes"),
        make_identity(groups=TRAINER, sub=""),
        make_identity(groups=TRAINER, iat=0),
    ],
)
def test_who_is_not_known_or_has_no_role_or_is_too_late_is_nobody(
    session: Session, claims: dict[str, Any] | None
) -> None:
    session.claims = claims
    assert find_actor() is NOBODY


def test_each_is_alone_and_works_threads_are_theirs(session: Session) -> None:
    """A thread has no session; the work in it is done for who began it."""
    folders = {}
    for name in ("ann", "bob"):
        session.claims = make_identity(sub=name, groups=TRAINER)
        work = Work(lambda _: (find_data_folder(), may("train"), may("audit")))
        session.claims = None
        folders[name], trains, audits = work.result()
        assert trains and not audits
    assert folders["ann"] != folders["bob"]
    session.claims = None
    with pytest.raises(ValueError, match="not logged in"):
        Work(lambda _: find_data_folder()).result()


def test_the_same_name_at_another_provider_is_somebody_else(session: Session) -> None:
    known = [person.read_person(make_identity(iss=iss, groups=TRAINER)) for iss in ("one", "two")]
    assert known[0] is not None and known[1] is not None
    assert known[0].actor.key != known[1].actor.key
    assert all(len(one.actor.key) == 64 for one in known if one is not None)


def test_a_person_is_called_as_they_call_themselves(session: Session) -> None:
    named = person.read_person(make_identity(email="ann@x", name="Ann " * 50))
    assert named is not None and named.name == ("Ann " * 50)[:60] and named.role is None


def test_presses_after_the_end_do_not_count(session: Session) -> None:
    session.claims = make_identity(groups=TRAINER)
    assert person.press()
    person.find_log_ins().end(session.claims)
    assert not person.press() and find_actor() is NOBODY
