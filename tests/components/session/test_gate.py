"""What a page shows to whom: a line to who belongs, nothing to who does not; and nothing is left of who goes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
from streamlit.testing.v1 import AppTest

from components.access import person
from components.access.log_ins import LogIns
from components.server.ended import Ended
from components.server.metrics import find_metrics
from components.session import gate
from explain.rights import Actor, start_asking
from explain.storage import VARIABLE
from tests.support.server import make_identity


def show() -> None:
    import streamlit as st

    from components.session.gate import check_in, is_refused

    class Large:
        """Something that a session holds."""

    check_in()
    st.session_state.setdefault("large", Large())
    st.markdown("the page")
    for right in ("scans", "train"):
        if not is_refused(right):
            st.markdown(f"may {right}")


class House:
    """A server where people log in.

    Attributes:
        log_ins: its.
        now: by its clock.
        written: into the audit log, whether somebody did it and what.
    """

    def __init__(self, folder: Path) -> None:
        self.now = 1_800_000_000.0
        self.written: list[tuple[bool, str]] = []
        self.log_ins = LogIns(8, 20, Ended(folder / "ended", 8, lambda: self.now), lambda: self.now)

    def write(self, actor: Actor, action: str, picture: str, model: str, result: str) -> None:
        """A line of the audit log."""
        self.written.append((bool(actor.key), action))

    def come(self, **claims: Any) -> AppTest:
        """Somebody opens a page."""
        app = AppTest.from_function(show)
        app.user = make_identity(iat=self.now, **claims)
        return app.run()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    house = House(tmp_path)
    for module in (person, gate):
        monkeypatch.setattr(module, "find_log_ins", lambda: house.log_ins)
    monkeypatch.setattr(person, "_logs_in", True)
    start_asking(person.find_actor, house.write)
    yield house
    start_asking(None)


def read(app: AppTest) -> list[str]:
    assert not app.exception
    return [element.value for element in app.main.markdown]


def test_on_a_laptop_nothing_is_asked() -> None:
    app = AppTest.from_function(show).run()
    assert read(app) == ["the page", "may scans", "may train"]
    assert not app.sidebar.text and not app.button


def test_a_clinician_sees_who_they_are_and_what_is_not_for_them(house: House) -> None:
    app = house.come(name="Ann", groups=["camscope-clinician"])
    assert read(app) == ["the page", "may scans"]
    assert [text.value for text in app.sidebar.text] == ["Ann · clinician"]
    assert [info.value for info in app.info] == [
        "Your role here does not let you train. Ask whoever runs this server for another role."
    ]


def test_without_a_role_there_is_a_sentence_and_a_way_out(house: House) -> None:
    app = house.come(name="Ann", groups=["staff"])
    assert read(app) == [] and "“groups”" in app.warning[0].value and "Ann" in app.warning[0].value
    app.button(key="log-out").click().run()
    assert house.log_ins.find_end(make_identity(iat=house.now)) == "out"


def test_one_window_too_many_shows_a_sentence_and_goes_on_once_there_is_place(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = 10
    monkeypatch.setattr(gate, "count_windows_before", lambda _, __: before)
    refused = find_metrics().refused.labels("sessions")._value
    counted = refused.get()
    app = house.come(groups=["camscope-viewer"])
    for _ in range(2):
        assert read(app) == [] and "large" not in app.session_state
        assert "You have 10 windows of CAMscope open" in app.warning[0].value and "Close one" in app.warning[0].value
        app.run()
    assert refused.get() == counted + 1, "once for a window, however often it looks"
    before = 9
    app.run()
    assert read(app)[0] == "the page" and not app.warning
    before = 10
    app.run()
    assert read(app)[0] == "the page", "who was let in stays, with all that is chosen"


def test_without_a_log_in_there_is_nothing(house: House) -> None:
    app = AppTest.from_function(show).run()
    assert read(app) == [] and not app.info and not app.text


def test_who_logs_out_leaves_nothing_behind(house: House) -> None:
    app = house.come(groups=["camscope-viewer"])
    large = ref(app.session_state["large"])
    claims = app.user
    app.button(key="log-out").click().run()
    gc.collect()
    assert read(app) == [] and "large" not in app.session_state and large() is None
    assert house.log_ins.find_end(claims) == "out"


@pytest.mark.parametrize(("minutes", "stays"), [(19, True), (21, False), (9 * 60, False)])
def test_after_a_while_a_page_is_drawn_for_nobody(house: House, minutes: int, stays: bool) -> None:
    app = house.come(groups=["camscope-viewer"])
    house.now += minutes * 60
    other = AppTest.from_function(show)
    other.user = dict(app.user)
    app.run()
    assert ("large" in app.session_state) == stays and bool(read(app)) == stays
    other.run()
    assert bool(read(other)) == stays, "nor is a window that is opened now"
    ended = [action for known, action in house.written if known and action.startswith("log-out")]
    assert len(ended) == (not stays), "written once, for all windows"
