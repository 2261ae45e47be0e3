"""What is pressed while a fragment asks for something counts: on the page it is drawn, and a link to another page leads
there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType
from streamlit.runtime.state.session_state import SessionState

from components.access.person import do_people_log_in, press
from components.server.doors import stand_before

_DOOR = "_call_callbacks"
_BY_THEMSELVES = ("-late-marks", "-line-watch")  # keys of what tells the server something that nobody pressed

_log = logging.getLogger(__name__)


def draw_what_was_pressed() -> bool:
    """Draw the whole page after a message of the browser's that names a fragment, but holds what was pressed elsewhere.

    The same door counts presses, and lets none through once a log-in is over; see `components/access/log_ins.py`.

    Streamlit's browser side gathers what happens within a moment into one message, and names one fragment in it: the
    first that took part. The callbacks of all that was pressed are called, but only that fragment is drawn. A part that
    asks now and then, as the verdicts do, would swallow a press, and most likely an upload of many files, which keeps
    the browser busy. Streamlit has no option for it. Once for the server's life.

    Returns:
        Whether that could be done.
    """
    if hasattr(SessionState, "_build_full_app_rerun") and stand_before(SessionState, _DOOR, _call_and_draw):
        return True
    _log.warning("Streamlit calls callbacks elsewhere now: a press beside a fragment's may not be drawn at once")
    return False


def keep_where_people_go() -> bool:
    """Let no fragment of the page that somebody leaves keep them there.

    Streamlit makes one request of those that wait, for the page that the last of them names. A part that asks now and
    then, until another page is there, names the old one. Once for the server's life.

    Returns:
        Whether that could be done.
    """
    if stand_before(ScriptRequests, "_request_rerun_locked", _keep_page):
        return True
    _log.warning("Streamlit gathers requests elsewhere now: a link to another page may lead nowhere")
    return False


def _keep_page(call: Callable[..., bool], self: ScriptRequests, new_data: RerunData) -> bool:
    of_fragments = new_data.fragment_id or new_data.fragment_id_queue
    return call(self, _lead_on(self, new_data) if of_fragments else new_data)


def _lead_on(requests: ScriptRequests, data: RerunData) -> RerunData:
    """A request of the page that is there, for the page that somebody waits for, if they do. Whoever calls it holds the
    lock of the requests.
    """
    waiting = requests._rerun_data
    if requests._state != ScriptRequestType.RERUN or waiting.page_script_hash == data.page_script_hash:
        return data
    return replace(
        data,
        page_script_hash=waiting.page_script_hash,
        page_name=waiting.page_name,
        query_string=waiting.query_string,
    )


def _call_and_draw(call: Callable[..., None], self: SessionState, **replayed: Any) -> None:
    context = get_script_run_ctx()
    if do_people_log_in() and _was_pressed(self) and not press():
        if context is not None and context.script_requests is not None:
            context.script_requests.request_rerun(self._build_full_app_rerun(context))  # which ends the session
        return
    elsewhere = _was_pressed_elsewhere(self)
    call(self, **replayed)
    if elsewhere and context is not None and context.script_requests is not None:
        # What a button says is gone with the run that it began, so that the page's run is told of it again.
        pressed = self._filter_active_trigger_widget_states(self._current_interaction_widget_states)
        page = replace(
            self._build_full_app_rerun(context),
            replay_trigger_states=pressed,
            replay_trigger_values=self._capture_replay_trigger_values(pressed),
        )
        requests = context.script_requests
        with requests._lock:
            requests._request_rerun_locked(_lead_on(requests, page))


def _was_pressed(state: SessionState) -> bool:
    """Whether a person changed anything, of which the browser tells."""
    widgets = state._new_widget_state
    return any(not any(name in key for name in _BY_THEMSELVES) and state._widget_changed(key) for key in widgets)


def _was_pressed_elsewhere(state: SessionState) -> bool:
    """Whether anything changed outside of the fragments that are about to be drawn."""
    context = get_script_run_ctx()
    drawn = None if context is None else context.fragment_ids_this_run
    if not drawn:
        return False
    widgets = state._new_widget_state
    known = widgets.widget_metadata
    return any(key in known and known[key].fragment_id not in drawn and state._widget_changed(key) for key in widgets)
