"""A press on the page is drawn, though the browser sends it in one message with what a fragment asked for."""

from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState
from streamlit.runtime.state import session_state
from streamlit.runtime.state.common import WidgetMetadata
from streamlit.runtime.state.session_state import SessionState

from components.session import batches

TICKED, PRESSED, LOOKED = "ticked", "pressed", "looked"


class Session:
    """One with a tick box and a button on its page, and a fragment that asks now and then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert batches.draw_what_was_pressed() and batches.draw_what_was_pressed()
        assert batches.keep_where_people_go() and batches.keep_where_people_go()
        self.called: list[str] = []
        self.state = SessionState()
        self.requests = ScriptRequests()
        for name, kind, fragment in [
            (TICKED, "bool_value", None),
            (PRESSED, "trigger_value", None),
            (LOOKED, "trigger_value", "verdicts"),
        ]:
            self.state._set_widget_metadata(
                WidgetMetadata(
                    id=name,
                    deserializer=bool,
                    serializer=bool,
                    value_type=kind,  # type: ignore[arg-type]
                    callback=lambda name=name: self.called.append(name),
                    fragment_id=fragment,
                )
            )
            self.state._old_state[name] = False
        self.context = SimpleNamespace(
            fragment_ids_this_run=["verdicts"],
            script_requests=self.requests,
            query_string="layer=stage3",
            page_script_hash="compare",
            cached_message_hashes=frozenset(),
            context_info=None,
        )
        for module in (batches, session_state):
            monkeypatch.setattr(module, "get_script_run_ctx", lambda: self.context)

    def receive(self, **widgets: bool) -> None:
        """What the browser sends in one message."""
        kinds = {TICKED: "bool_value", PRESSED: "trigger_value", LOOKED: "trigger_value"}
        message = WidgetStates(widgets=[WidgetState(id=name, **{kinds[name]: on}) for name, on in widgets.items()])
        self.rerun(message)

    def rerun(self, message: WidgetStates | None, **replayed: Any) -> None:
        """What a run of the script begins with, in a thread's context of its own."""

        def begin() -> None:
            ThreadState.initialize()
            self.state.on_script_will_rerun(message, **replayed)

        copy_context().run(begin)

    @property
    def draws_page(self) -> bool:
        """Whether a run of the whole page comes next."""
        asked = self.requests.on_scriptrunner_ready()
        if asked.type is not ScriptRequestType.RERUN:
            return False
        assert asked.rerun_data.query_string == "layer=stage3" and asked.rerun_data.page_script_hash == "compare"
        return not asked.rerun_data.fragment_id_queue


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    return Session(monkeypatch)


@pytest.mark.parametrize("pressed", [TICKED, PRESSED])
def test_what_is_pressed_beside_a_fragments_question_is_drawn(session: Session, pressed: str) -> None:
    session.receive(**{LOOKED: True, pressed: True})
    assert sorted(session.called) == sorted([LOOKED, pressed])
    assert session.draws_page


def test_a_fragment_that_asks_alone_draws_itself_alone(session: Session) -> None:
    session.receive(**{LOOKED: True, TICKED: False})
    assert session.called == [LOOKED] and not session.draws_page


def test_the_whole_pages_run_is_not_followed_by_another(session: Session) -> None:
    session.context.fragment_ids_this_run = None
    session.receive(**{TICKED: True})
    assert session.called == [TICKED] and not session.draws_page


def test_a_button_still_says_that_it_was_pressed(session: Session) -> None:
    session.receive(**{LOOKED: True, PRESSED: True})
    again = session.requests.on_scriptrunner_ready().rerun_data
    session.rerun(
        again.widget_states,
        replay_trigger_states=again.replay_trigger_states,
        replay_trigger_values=again.replay_trigger_values,
    )
    assert session.state[PRESSED] is True
    assert session.called.count(PRESSED) == 1, "it was pressed once"


def test_what_is_pressed_after_the_log_in_is_over_is_not_done(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is the fragment drawn that it belongs to: the whole page is, which ends the session."""
    monkeypatch.setattr(batches, "do_people_log_in", lambda: True)
    monkeypatch.setattr(batches, "press", lambda: False)
    session.receive(**{LOOKED: True})
    assert session.called == [] and session.draws_page


def test_what_the_browser_says_by_itself_is_no_press(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    pressed = []
    monkeypatch.setattr(batches, "do_people_log_in", lambda: True)
    monkeypatch.setattr(batches, "press", lambda: pressed.append(1) or True)
    monkeypatch.setattr(batches, "_BY_THEMSELVES", ("looked",))
    session.receive(**{LOOKED: True, TICKED: False})
    assert session.called == [LOOKED] and not pressed
    session.receive(**{LOOKED: True, TICKED: True})
    assert pressed == [1]


def test_whoever_goes_to_another_page_is_not_kept_by_a_fragment_of_the_one_they_leave(session: Session) -> None:
    session.requests.request_rerun(RerunData(page_script_hash="clusters", query_string="eps=25"))
    session.requests.request_rerun(RerunData(page_script_hash="compare", fragment_id="verdicts", query_string="eps=3"))
    found = session.requests._rerun_data
    assert (found.page_script_hash, found.query_string, found.fragment_id_queue) == ("clusters", "eps=25", [])


def test_nor_by_what_was_pressed_beside_such_a_fragment(session: Session) -> None:
    session.requests.request_rerun(RerunData(page_script_hash="clusters"))
    session.receive(ticked=True, looked=True)
    assert session.called == [TICKED, LOOKED] and session.requests._rerun_data.page_script_hash == "clusters"


def test_a_fragment_alone_draws_the_page_that_it_is_of(session: Session) -> None:
    session.requests.request_rerun(RerunData(page_script_hash="compare", fragment_id="verdicts"))
    found = session.requests._rerun_data
    assert (found.page_script_hash, found.fragment_id_queue) == ("compare", ["verdicts"])
