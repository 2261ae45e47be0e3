"""What is pressed on the page while a fragment asks for something is drawn on the page, and counts as a press."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from streamlit.runtime.scriptrunner import get_script_run_ctx
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
        context.script_requests.request_rerun(page)


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
