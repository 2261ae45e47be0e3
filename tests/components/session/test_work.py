"""Work in the background: progress, results, errors and cancelling."""

import threading
import time
from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState
from streamlit.testing.v1 import AppTest

from components.session.work import Work
from explain.engine.admission import Admission, Ticket
from explain.engine.quotas import Quotas


def test_a_result_and_an_error_come_back() -> None:
    assert Work(lambda _: 7).result() == 7

    def fail(_: Work) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Work(fail).result()


def test_waiting_says_whether_the_end_has_come() -> None:
    go = threading.Event()
    work = Work(lambda _: go.wait(60))
    assert not work.wait(0.05)
    go.set()
    assert work.wait(60)


def test_what_was_reported_last_can_be_read() -> None:
    def report(work: Work) -> None:
        work.report("first", 0.1)
        work.report("second", 0.6)

    work = Work(report)
    work.wait(60)
    assert work.progress == (0.6, "second")


def test_what_waits_for_others_says_its_place_and_goes_on_when_it_is_its_turn() -> None:
    admission = Admission(Quotas(), lambda: 1)
    admission.line.request(others := Ticket("others"), 0.0)
    begun = threading.Event()

    def ask(work: Work) -> int:
        work.report("Explaining …", 0.5)
        begun.set()
        with admission.turn():
            return 7

    work = Work(ask)
    assert begun.wait(60)
    while not admission.line.waiting:
        time.sleep(0.001)
    assert work.progress == (0.5, "1 question ahead of yours, about 1 s")
    admission.line.release(others, 0.0)
    assert work.result() == 7
    assert work.progress == (0.5, "Explaining …")


def test_work_of_a_page_is_asked_by_its_session_and_newer_work_takes_the_place_of_older() -> None:
    def page() -> None:
        import threading

        import streamlit as st

        from components.session.work import Work
        from explain.engine.admission import ASKING, Admission
        from explain.engine.quotas import Quotas
        from explain.errors import Cancelled

        admission = Admission(Quotas(), lambda: 1)

        def ask(_: Work) -> str:
            with admission.turn():
                return ASKING.get().session

        go = threading.Event()
        older = Work(lambda work: go.wait(60) and ask(work), "maps")
        st.session_state["found"] = Work(ask, "maps").result()
        go.set()
        try:
            older.result()
        except Cancelled:
            st.session_state["replaced"] = True

    tested = AppTest.from_function(page).run()
    assert not tested.exception
    assert tested.session_state["found"]
    assert tested.session_state["replaced"]


def run_page(*seconds: float) -> AppTest:
    """A page with a place that is waited at for each number of seconds, and one inside it for the last of them."""

    def page(seconds: tuple[float, ...]) -> None:
        import time

        import streamlit as st

        from components.session.work import Place, Work

        outer = Place("outer")
        for each in seconds:
            work = Work(lambda _, each=each: time.sleep(each))
            outer.watch(work, "Working …", "key", patience=0.2)
        with outer.container():
            inner = Place("inner")
            inner.watch(Work(lambda _: time.sleep(seconds[-1])), "Working …", "key", patience=0.2)
            with inner.container():
                st.markdown("done")
        st.session_state["cancelled"] = work.cancel.is_set()

    return AppTest.from_function(page, args=(seconds,), default_timeout=60).run()


@pytest.mark.parametrize("seconds", [(0.0,), (0.5,), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)])
def test_only_the_result_is_left_on_the_page(seconds: tuple[float, ...]) -> None:
    page = run_page(*seconds)
    assert not page.exception
    assert [text.value for text in page.markdown] == ["done"]
    assert not page.button


def test_the_button_to_stop_is_of_no_fragment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit ends a run for what is pressed outside of fragments alone."""
    told: list[str | None] = []
    button = st.button

    def record(*given: Any, **named: Any) -> bool:
        told.append(ThreadState.get().fragment_id)
        return button(*given, **named)

    monkeypatch.setattr(st, "button", record)

    def page() -> None:
        import time

        import streamlit as st

        from components.session.work import Place, Work

        @st.fragment
        def show() -> None:
            Place("place").watch(Work(lambda _: time.sleep(0.2)), "Working …", "key", patience=0.01)
            st.button("Another")

        show()

    assert not AppTest.from_function(page, default_timeout=60).run().exception
    stop, another = told
    assert stop is None and another is not None


def test_what_is_said_of_a_failure_stands_alone() -> None:
    def page() -> None:
        import time

        import streamlit as st

        from components.session.work import Place, Work

        def fail(_: Work) -> None:
            time.sleep(0.3)
            raise ValueError("no")

        try:
            Place("outer").watch(Work(fail), "Working …", "key", patience=0.05)
        except ValueError as error:
            st.error(str(error))

    tested = AppTest.from_function(page, default_timeout=60).run()
    assert [error.value for error in tested.error] == ["no"]
    assert not tested.button


def test_whoever_stops_waiting_stops_the_work() -> None:
    assert run_page(0.0).session_state["cancelled"]


def test_stopping_is_remembered_for_this_work_only() -> None:
    def page() -> None:
        import streamlit as st

        from components.session.work import _stop, go_on, is_stopped

        _stop("one")
        st.session_state["seen"] = [is_stopped("one"), is_stopped("two")]
        go_on()
        st.session_state["seen"].append(is_stopped("one"))

    assert AppTest.from_function(page).run().session_state["seen"] == [True, False, False]
